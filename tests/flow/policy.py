"""Whose rule it is: exemptions, officers, and what oopsctl tells."""
import pathlib
import tempfile
import time

from lab import story, web
from lab.mail import Message, until
from lab.site import Site
from lab.story import ANNA, CLARA, COLLEAGUES

NEWS = "news@example.com"
RULES = (
    {"name": "newsletter", "match": {"sender": NEWS, "people_min": 30}, "action": "pass"},
    {"name": "officers", "match": {"login": ("anna@example.com", "duty"), "reach": "inside"},
     "action": "undo", "window": "10m", "threshold": 0.5},
    {"name": "everybody", "action": "confirm", "threshold": 0.5},
)


def judged(site, queue_id):
    """The auditor's line about a mail."""
    return until(lambda: [line for line in site.audit("judge")
                          if line["queue_id"] == queue_id], 5, "it is judged")[0]


def slip(site, sender=ANNA, subject="Cake"):
    """Somebody answers everybody; the message and the auditor's line about it."""
    message, queue_id = story.slip(site, story.announce(site, to=sender, subject=subject),
                                   sender)
    return message, judged(site, queue_id)


def test_the_newsletter_passes_and_officers_have_a_window():
    with Site({"policy": RULES}) as site:
        story.teach(site, NEWS)
        story.teach(site)
        _, line = slip(site)
        assert (line["action"], line["policy"]) == ("undo", "officers"), line
        # it comes last: an answer that everybody got makes the next mail to them look like one
        announcement = story.announce(site, to=NEWS, subject="Lunch")
        message, queue_id = story.slip(site, announcement, NEWS)
        story.reaches(site, message)
        assert not [line for line in site.audit("judge") if line["queue_id"] == queue_id]


def test_a_rule_for_an_address_with_an_extension():
    rules = ({"name": "weekly", "match": {"sender": "news+weekly@example.com",
                                          "recipient": "team+all@example.com"},
              "action": "tag", "threshold": 0.0, "tag_threshold": 0.0}, {"action": "pass"})
    with Site({"policy": rules, "identity": {"recipient_delimiter": "+"}}) as site:
        queue_id = site.send(Message("news+weekly@example.com", ["team+all@example.com"]))
        assert judged(site, queue_id)["policy"] == "weekly"


def test_oopsctl_tells_which_rule_decides():
    with Site({"policy": RULES}) as site:
        path = site.folder / "message.eml"
        path.write_text(f"From: {ANNA}\nTo: {', '.join(COLLEAGUES)}\nSubject: Hi\n\nHi\n",
                        encoding="utf-8")

        def told(code, *arguments):
            done = site.oopsctl("policy", path, *arguments)
            assert done.returncode == code, done.stdout + done.stderr
            return done.stdout + done.stderr
        text = told(0)
        assert '"newsletter" (line ' in text and "sender: anna@example.com is not" in text
        assert "login: no login is not one of them" in text
        assert 'rule 3 "everybody"' in text and "fits, and would decide" in text
        assert "built-in" not in text and "\npass: the milter does not judge it" in text
        assert "fits, and decides" in told(0, "--login", ANNA)
        for arguments, passes in (((), True), (("--client", "192.0.2.9"), True),
                                  (("--client", "127.0.0.1"), False),
                                  (("--login", "anna@example.com"), False)):
            assert ("note: nothing proves who sends" in told(0, *arguments)) == passes, arguments
        text = told(0, "--login", "duty")
        assert '"officers"' in text and "everybody" not in text
        text = told(0, "--login", "duty", "--recipient", "x@elsewhere.example")
        assert "reach: it goes outside" in text and '"everybody"' in text
        assert told(0, "--login", "duty", "--to", "x@elsewhere.example") == text
        text = told(0, "--sender", NEWS)
        assert "everybody" not in text and "officers" not in text
        told(64, "--client", "nonsense")


def test_oopsctl_tries_another_time():
    rules = ({"name": "at night", "match": {"hours": "22:00-06:00"}, "action": "tag"},
             {"name": "sunday", "match": {"weekday": "sun"}, "action": "pass"},
             {"name": "else", "action": "confirm"})
    with Site({"policy": rules}) as site:
        path = site.folder / "message.eml"
        path.write_text(f"From: {ANNA}\nTo: {COLLEAGUES[0]}\nSubject: Hi\n\nHi\n",
                        encoding="utf-8")

        def told(code, *arguments):
            done = site.oopsctl("policy", path, *arguments)
            assert done.returncode == code, done.stdout + done.stderr
            return done.stdout + done.stderr

        def at(*moment):
            return str(int(time.mktime((*moment, 0, 0, 0, -1))))
        assert "hours: it is 12:00" in told(0, "--time", at(2026, 11, 26, 12, 0))
        assert '"at night" (line ' in told(0, "--time", at(2026, 11, 26, 23, 30))
        text = told(0, "--time", at(2026, 11, 26, 23, 30), "--login", ANNA)
        assert "fits" in text.splitlines()[2], text
        text = told(0, "--time", at(2026, 11, 26, 12, 0))
        assert "weekday: it is Thursday" in text and '"else"' in text
        assert '"else"' not in told(0, "--time", at(2026, 11, 29, 12, 0))
        for wrong in ("", "0", "noon", "-5", "99999999999"):
            told(64, "--time", wrong)


def test_a_rule_has_words_of_its_own():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        own = folder / "letter"
        own.write_text("letter_foot: Ask the help desk.\npage_foot: Or call 1234.\n",
                       encoding="utf-8")
        rules = ({"name": "own", "match": {"sender": ANNA}, "action": "confirm",
                  "threshold": 0.5, "template": str(own)},)
        with Site({"policy": rules}) as site:
            story.teach(site)
            slip(site)
            letter = site.letters(ANNA)[-1]
            assert b"Ask the help desk." in letter.data, letter.data
            page = web.get(site.link(ANNA)).text
            assert "Or call 1234." in page and "Only the buttons do" not in page, page

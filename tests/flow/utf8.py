"""An author whose address is not ASCII (SMTPUTF8): one person however the address is spelled.

What is compared has no case and accents in one form; what mail is sent to is what was written.
"""
import unicodedata

from lab import story, web
from lab.mail import Submission, until
from lab.site import Site

ONLY = "postfix"  # Sendmail 8.17 of Debian is built without SMTPUTF8

JOSE = "Jos\u00e9@example.com"
SHOUTED = unicodedata.normalize("NFD", JOSE.upper().replace("EXAMPLE.COM", "example.com"))
RULES = ({"name": "jose", "match": {"sender": "JOS\u00c9@example.com"}, "action": "confirm",
          "threshold": 0.9}, {"name": "others", "action": "pass"})


def test_one_person_in_all_spellings():
    assert SHOUTED != JOSE and "E\u0301@" in SHOUTED
    with Site({"policy": RULES}) as site:
        story.teach(site, JOSE)
        message = story.announce(site, to=JOSE).reply_all(JOSE, "Is there some left?\n")
        message.sender = SHOUTED
        with Submission(site.mta.port, JOSE) as submission:
            queue_id = submission.send(message)
        # habits and rule are those of the other spellings
        hold = story.hold_of(site, queue_id)
        judged = [line for line in site.audit("judge") if line["queue_id"] == queue_id][0]
        assert (judged["sender"], judged["policy"]) == ("jos\u00e9@example.com", "jose"), judged
        # the letter goes to what was written, byte by byte
        letter, = site.letters(SHOUTED)
        assert letter.recipients == [SHOUTED] and letter.header("To") == f"<{SHOUTED}>"
        assert site.audit("notice", id=hold)[0]["to"] == SHOUTED
        refused = site.oopsctl("forget", JOSE)
        assert refused.returncode != 0 and hold in refused.stderr, refused.stderr
        web.press(site.link(SHOUTED), "send")
        story.reaches(site, message)
        until(lambda: site.audit("sent", id=hold), 5)
        assert site.receiver.received(message.id)[0].sender == SHOUTED

"""New settings while mail flows: taken whole, or not at all."""
import signal
import threading

import storm
from lab import story, web
from lab.mail import Message, Submission, until
from lab.milter import Milter
from lab.site import Site, only

ANNA = "anna@example.com"
PROGRAMS = ("oops-milter", "oops-web")


def rule(name, threshold, action="tag", **more):
    """Settings whose only rule is this; threshold 0 stops everything, 1 nothing."""
    return {"policy": ({"name": name, "action": action, "threshold": threshold, **more},)}


def change(site, settings):
    site.changes = settings
    site.write_settings()


def reload(site, code=0):
    """oopsctl reload, which must end with this code; what it printed."""
    done = site.oopsctl("reload")
    assert done.returncode == code, f"{done.returncode}: {done.stdout} {done.stderr}"
    return done.stdout + done.stderr


def send(site, number):
    """One mail; is it tagged when it arrives?"""
    message = Message(ANNA, [f"person{number}@example.com"])
    site.send(message)
    mail = until(lambda: site.receiver.received(message.id), 20, f"mail {number} arrives")[0]
    return mail.header("Oops-Milter") is not None


def test_the_next_mail_is_judged_by_the_new_threshold():
    with Site(rule("strict", 0.0)) as site:
        assert send(site, 1), "everything is tagged"
        change(site, rule("lax", 1.0))
        said = reload(site)
        assert [f"{name}: new settings are in force" in said for name in PROGRAMS] == [True] * 2
        assert not send(site, 2), "the new threshold lets it pass"
        change(site, rule("strict again", 0.0))
        site.running["oops-milter"].send_signal(signal.SIGUSR1)
        until(lambda: len(site.audit("config", program="oops-milter", answer="ok")) == 2, 10,
              "a signal does the same")
        assert send(site, 3)
        assert [line["policy"] for line in site.audit("judge")] == ["strict", "strict again"]


def wrong_stays_out(site, fault, settings=None, text=None):
    """What is wrong is refused by oopsctl and by a program that gets the signal alone."""
    good = site.conf.read_text(encoding="utf-8")
    if settings:
        change(site, settings)
    if text:
        site.conf.write_text(good + text, encoding="utf-8")
    site.allow("new settings are refused, the old stay in force")
    site.allow("error: /")
    refused = len(site.audit("config", program="oops-milter", answer="refused"))
    said = reload(site, 78)
    assert fault in said and "the old settings stay in force" in said, said
    site.running["oops-milter"].send_signal(signal.SIGUSR1)
    line = until(lambda: site.audit("config", program="oops-milter",
                                    answer="refused")[refused:], 10, "refused")[0]
    assert fault in line["what"], line
    until(lambda: [one for one in site.log("oops-milter")
                   if f"error: {line['what']}" in one], 10, "the log tells it")
    site.conf.write_text(good, encoding="utf-8")


def test_wrong_settings_leave_the_old_in_force():
    with Site(rule("strict", 0.0)) as site:
        last = len(site.conf.read_text(encoding="utf-8").splitlines()) + 1
        wrong_stays_out(site, f"{site.conf}:{last}: ", text="undo: { window = \"soon\"; };\n")
        wrong_stays_out(site, f"{site.conf}:{last}: ", text="colour = \"red\";\n")
        card = site.folder / "card.conf"
        card.write_text("version 1\nnonsense\n", encoding="ascii")
        wrong_stays_out(site, f"{card}:", {"judge": {"scorecard": str(card)}})
        aliases = site.folder / "aliases"
        aliases.write_text("good: anna\nnot an alias\n", encoding="ascii")
        wrong_stays_out(site, f"{aliases}:2: ", text=f"lists: ( {{ aliases = \"{aliases}\"; }} );\n")
        assert send(site, 1), "judged as before"


def test_what_needs_a_restart_is_refused_whole():
    with Site(rule("strict", 0.0)) as site:
        wrong_stays_out(site, f"{site.conf}: a new node needs a restart",
                        {**rule("lax", 1.0), "node": "other"})
        assert send(site, 1), "the new threshold must not come alone"
        said = reload(site)
        assert "oops-web: new settings are in force" in said, said


def test_an_open_transaction_ends_by_what_it_began_with():
    with Site(rule("strict", 0.0)) as site:
        with Milter(f"{site.folder}/run/milter.sock") as peer:
            peer.connect()
            message = Message(ANNA, ["bert@example.com"])
            peer.envelope(message.sender, message.recipients(), "anna")
            assert peer.header([("From", ANNA), ("Message-ID", message.id)]) == "c"
            change(site, rule("lax", 1.0))
            reload(site)
            assert peer.body(b"Hello\r\n") in "ac"
            assert [name for name, _ in peer.added()] == ["Oops-Milter"], peer.changes
            # the next one on the same connection is judged by the new settings
            answer = peer.mail(Message(ANNA, ["bert@example.com"]), login="anna")
            assert answer == ("a", "N"), answer


def test_no_mail_is_unjudged_while_settings_change():
    with Site(rule("rule 0", 0.0)) as site:
        sent, is_over = [], threading.Event()

        def traffic():
            with Submission(site.mta.port, ANNA) as submission:
                while not is_over.is_set():
                    message = Message(ANNA, [f"person{len(sent)}@example.com"])
                    submission.send(message)
                    sent.append(message.id)

        thread = threading.Thread(target=traffic)
        thread.start()
        try:
            for number in range(1, 9):
                so_far = len(sent)
                until(lambda: len(sent) > so_far + 2, 20, "mail flows")
                change(site, rule(f"rule {number}", 0.0))
                reload(site)
        finally:
            is_over.set()
            thread.join()
        until(lambda: len({mail.header("Message-ID") for mail in site.receiver.received()}) ==
              len(sent), 30, "everything arrives")
        untagged = [mail for mail in site.receiver.received() if not mail.header("Oops-Milter")]
        assert not untagged, f"{len(untagged)} of {len(sent)} went unjudged"
        judged = [line["policy"] for line in site.audit("judge")]
        assert len(judged) == len(sent) and judged == sorted(judged), judged
        assert len(set(judged)) > 4


def test_letters_and_pages_follow_too():
    with Site(rule("lax", 1.0)) as site:
        story.teach(site)  # nobody unknown is held
        change(site, rule("strict", 0.0, "confirm"))
        reload(site)
        site.send(Message(ANNA, ["bert@example.com"]))
        first = site.letters(ANNA)[0]
        assert "oops@example.com" in first.header("From")
        old = site.link(ANNA)
        site.receiver.forget()
        base = f"http://127.0.0.1:{site.web_port}"
        change(site, {**rule("strict", 0.0, "confirm"),
                      "notice": {"from": "held@example.com"}, "web": {"base_url": base + "/oops"}})
        reload(site)
        site.send(Message(ANNA, ["carl@example.com"]))
        assert "held@example.com" in site.letters(ANNA)[0].header("From")
        link = site.link(ANNA)
        assert link.startswith(base + "/oops/h/"), link
        assert web.get(link).status == 200
        assert web.get(old).status == 200, "links from before go on working"


def test_nobody_to_ask():
    with Site(rule("strict", 0.0)) as site:
        assert site.end("oops-web") == 0
        assert "oops-web: does not run here" in reload(site)
        assert site.end("oops-milter") == 0
        reload(site, 69)
        site.run("oops-milter")
        assert "oops-milter: new settings are in force" in reload(site)
        site.running["oops-queued"].send_signal(signal.SIGUSR1)  # not its end
        assert send(site, 1)


def test_a_new_key_loses_neither_links_nor_habits():
    with Site() as site:
        story.teach(site)
        announcement = story.announce(site)
        first, _ = story.slip(site, announcement)
        old = site.link(ANNA)
        key = (site.folder / "secret.key").read_text(encoding="ascii").splitlines()
        said = site.oopsctl("rotate-key", check=True).stdout
        assert "now run: oopsctl reload" in said, said
        lines = (site.folder / "secret.key").read_text(encoding="ascii").splitlines()
        assert lines[0] != key[0] and lines[1].startswith(f"{key[0]} replaced "), "it is kept"
        reload(site)
        assert web.get(old).status == 200, "links from before go on working"
        site.receiver.forget()
        note = Message(ANNA, story.COLLEAGUES[:2], "Note")
        site.send(note)
        story.reaches(site, note)
        assert not site.receiver.received(note.id)[0].header("Oops-Milter"), "ordinary"
        message, queue_id = story.slip(site, story.announce(site, subject="More cake"))
        story.hold_of(site, queue_id)
        assert not site.receiver.received(message.id)
        assert site.link(ANNA) != old
        assert web.press(old, "send").status == 303
        story.reaches(site, first)


def rotate(site):
    site.oopsctl("rotate-key", check=True)
    reload(site)


def test_a_new_key_ends_no_storm():
    """Counted before, counted after; and who answers under a third key waits for the same."""
    with storm.stormy() as site:
        announcement = storm.announce(site)
        for number in range(2):
            counted, _ = storm.answer(site, announcement, number)
            story.reaches(site, counted)
        rotate(site)
        for number in range(2, storm.STORM["replies"]):
            story.reaches(site, storm.answer(site, announcement, number)[0])
        _, queue_id = storm.answer(site, announcement, 10)
        story.hold_of(site, queue_id)
        rotate(site)
        # one that answers an answer from before, and does not name the thread's first mail
        counted.parent = None
        second = counted.reply_all(storm.EVERYBODY[11], "Me too\n")
        for message in (second, announcement.reply_all(storm.EVERYBODY[12], "Me too\n")):
            story.hold_of(site, site.send(message))
        began = site.audit("storm", what="started")
        assert len(began) == 1 and began[0]["answers"] == "4", began


def test_a_new_key_ends_no_storm_of_a_list():
    """The same of answers that do not name what they answer: known by list and subject."""
    everyone = "everyone@example.com"
    with storm.stormy(lists=({"address": everyone, "members": 412},)) as site:
        site.send(Message(storm.CLARA, [everyone], "News"))
        for number in range(storm.STORM["replies"] + 1):
            if number == 2:
                rotate(site)
            message = Message(storm.EVERYBODY[number], [everyone], "Re: News")
            queue_id = site.send(message)
        story.hold_of(site, queue_id)


def test_a_new_key_parts_no_mail_that_is_arriving():
    with Site() as site:
        story.teach(site)
        message = story.announce(site).reply_all(ANNA)
        people = message.recipients()
        first = site.send(message, recipients=people[:20])
        hold = story.hold_of(site, first)
        rotate(site)
        assert story.hold_of(site, site.send(message, recipients=people[20:])) == hold


@only("sendmail")  # whose site has a system log of its own, where oopsctl writes
def test_a_new_key_is_audited():
    with Site() as site:
        key = site.folder / "secret.key"
        audited = f"event=config id=- program=oopsctl file={key} "
        site.oopsctl("rotate-key", check=True)
        lines = lambda: "\n".join(site.mta.log("oopsctl"))
        until(lambda: audited + "answer=ok what=key" in lines(), 5)
        key.write_text("none\n", encoding="ascii")
        assert site.oopsctl("rotate-key").returncode == 78
        until(lambda: audited + "answer=refused what=" in lines(), 5)

"""What comes back to its author comes back whole, by a letter of ours, or it stays where it is."""
import contextlib
import random
import socketserver
import sqlite3
import threading
import time

from lab import story, web
from lab.mail import Message, Submission, attached, free_port, never, own_part, until
from lab.site import Site, only
from lab.story import ANNA

QUICK = {"undo": {"grace": "1s"}}
SOON = {"confirm": {"expires": "3s"}}


def undone(site, body, headers=()):
    """A slip that its author stops; the message, its hold."""
    story.teach(site)
    message = story.announce(site).reply_all(ANNA, body, headers)
    queue_id = site.send(message)
    hold = story.hold_of(site, queue_id)
    web.press(site.link(ANNA), "undo")
    return message, hold


def is_over(site, hold, how):
    line = until(lambda: site.audit("return", id=hold), 10, "it is returned")[0]
    assert line["how"] == how, line
    until(lambda: not site.mta.queue(), 10, "the queue is empty")


def text_of(size, seed=1):
    """Lines of words, so many bytes."""
    source, lines, length = random.Random(seed), [], 0
    while length < size:
        lines.append(" ".join(source.choice(("cake", "kitchen", ".", "left", "From"))
                              for _ in range(source.randint(0, 12))))
        length += len(lines[-1]) + 1
    return "\n".join(lines) + "\n"


def comes_back_whole(body, headers=()):
    with Site(QUICK) as site:
        message, hold = undone(site, body, headers)
        letter, = site.returned(ANNA)
        assert letter.sender == "oops@example.com" and letter.recipients == [ANNA]
        is_over(site, hold, "letter")
        mail = attached(letter)
        assert b"\r\nOops-Milter:" not in mail, "our tag comes along"
        assert site.mta.plain(own_part(mail)) == site.mta.plain(message.data())
        assert not site.receiver.received(message.id), "somebody has got it"
        never(lambda: len(site.returned(ANNA)) > 1, 1, "a second letter")
        return letter


def test_a_small_mail():
    letter = comes_back_whole("Dear Clara,\n\n.dots\n..\n.\nis there some left?\n")
    text = letter.body().decode().replace("=\r\n", "").replace("\r\n", " ")
    assert "You stopped your mail" in text and "nobody has got it" in text
    assert "is back" in letter.header("Subject")


def test_60_kb():
    comes_back_whole(text_of(60000))


def test_1_mb():
    comes_back_whole(text_of(1000000))


def test_beyond_ascii():
    letter = comes_back_whole("äöü \u2615\n" * 2000, [
        ("MIME-Version", "1.0"), ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "8bit")])
    assert letter.header("Content-Transfer-Encoding") == "8bit"


def test_lines_longer_than_they_may_be():
    comes_back_whole("x" * 1500 + "\n.\n" + "y" * 5000 + "ä\n")


def test_expired_is_told_as_that():
    with Site(SOON) as site:
        story.teach(site)
        message, queue_id = story.slip(site, story.announce(site))
        hold = story.hold_of(site, queue_id)
        letter, = site.returned(ANNA)
        is_over(site, hold, "letter")
        assert b"The time for that is over" in letter.body().replace(b"\r\n", b" ")
        assert own_part(attached(letter)) or message


def test_parts_of_one_mail_come_back_once():
    with Site(QUICK) as site:
        story.teach(site)
        message = story.announce(site).reply_all(ANNA, text_of(60000))
        message.bcc = [f"stranger{number}@example.org" for number in range(40)]
        half = len(message.recipients()) // 2
        with Submission(site.mta.port, ANNA) as submission:
            ids = [submission.send(message, recipients=part) for part in (
                message.recipients()[:half], message.recipients()[half:])]
        hold, = {story.hold_of(site, queue_id) for queue_id in ids}
        web.press(site.link(ANNA), "undo")
        letter, = site.returned(ANNA)
        is_over(site, hold, "letter")
        assert site.mta.plain(own_part(attached(letter))) == site.mta.plain(message.data())
        never(lambda: len(site.returned(ANNA)) > 1, 1, "a second letter")


def test_mails_that_differ_in_the_subject_alone_come_back_all():
    with Site(QUICK) as site:
        story.teach(site)
        first = story.announce(site).reply_all(ANNA, "")
        second = Message(ANNA, first.to, "Re: no, at four", "", headers=[
            ("In-Reply-To", first.id), ("References", first.id)])
        second.cc = first.cc
        with Submission(site.mta.port, ANNA) as submission:
            ids = [submission.send(one) for one in (first, second)]
        hold, = {story.hold_of(site, queue_id) for queue_id in ids}
        web.press(site.link(ANNA), "undo")
        is_over(site, hold, "letter")
        until(lambda: len(site.returned(ANNA)) == 2, 10, "both come back")
        mails = [attached(letter) for letter in site.returned(ANNA)]
        for one in (first, second):
            assert any(f"Subject: {one.subject}".encode() in mail for mail in mails), mails


LIMIT = 120000  # bytes; the mail fits, and in the form in which it could come back does not
LARGE = ("ä" * 700 + "\n") * 70  # with lines that are too long for any other form than base64
EIGHT_BIT = [("MIME-Version", "1.0"), ("Content-Type", "text/plain; charset=utf-8"),
             ("Content-Transfer-Encoding", "8bit")]


def too_large():
    """A site where a large mail that was stopped is too large to come back."""
    site = Site(QUICK, postfix={"extra": {"message_size_limit": str(LIMIT)}})
    site.allow("letter that returns|cannot be brought back"
               "|queue file size limit exceeded|mail_stream_cleanup")
    return site


def news(site, subject):
    """The letter to Anna with these words in its subject."""
    return until(lambda: [one for one in site.letters(ANNA) if subject in one.header("Subject")],
                 20, f"a letter: {subject}")[0]


@only("postfix")
def test_too_large_is_kept_and_can_be_sent_after_all():
    with too_large() as site:
        message, hold = undone(site, LARGE, EIGHT_BIT)
        letter = news(site, "still kept")
        assert letter.recipients == [ANNA] and len(letter.data) < 20000
        error, = site.audit("error", where="return")
        assert error["id"] == hold and "552" in error["answer"], error
        assert "too large to come back" in site.oopsctl("list", check=True).stdout
        assert "kept" in site.oopsctl("show", hold, check=True).stdout
        assert f"1 too large to come back to the author, who was told: {hold}" in (
            site.oopsctl("check").stdout)
        link = web.link_in(letter)
        until(lambda: 'value="restore"' in web.get(link).text, 10, "it can be sent after all")
        assert "too large to come back to you</h1>" in web.get(link).text
        # nobody else waits for it
        other = Message(story.CLARA, [ANNA] + story.COLLEAGUES[:2], "Other")
        site.send(other)
        until(lambda: site.receiver.received(other.id), 20, "another mail")
        assert not site.receiver.received(message.id) and not site.audit("return", id=hold)
        web.press(link, "restore")
        story.reaches(site, message)
        until(lambda: site.audit("sent", id=hold), 10)
        assert [line["was"] for line in site.audit("restore", id=hold)] == ["RETURNING"]


@only("postfix")
def test_too_large_comes_back_when_an_admin_makes_room():
    with too_large() as site:
        message, hold = undone(site, LARGE, EIGHT_BIT)
        news(site, "still kept")
        site.mta.run("postconf", "-e", f"message_size_limit = {10 * LIMIT}")
        site.mta.run("postfix", "reload")
        assert site.oopsctl("undo", hold).returncode == 0
        letter, = site.returned(ANNA, 30)
        is_over(site, hold, "letter")
        assert site.mta.plain(own_part(attached(letter))) == site.mta.plain(message.data())
        assert not site.receiver.received(message.id)


class Refusing(socketserver.ThreadingTCPServer):
    """A mail server for our letters that can be told to refuse letters that return mail."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, port, answer):
        super().__init__(("127.0.0.1", port), _Refusal)
        self.answer = answer
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Refusal(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 no\r\n")
        for line in self.rfile:
            is_rcpt = line.upper().startswith(b"RCPT")
            self.wfile.write(self.server.answer if is_rcpt else b"250 ok\r\n")


def refused_letters(body, answer=b"550 5.1.1 no such user\r\n"):
    """A site where an expired mail cannot come back by a letter."""
    port = free_port()
    server = Refusing(port, answer)
    site = Site({**SOON, "notice": {"smtp": f"smtp://127.0.0.1:{port}"}})
    site.allow(r"letter about hold|letter that returns|goes back to its author by a bounce"
               "|cannot be brought back")
    return server, site, body


def test_refused_for_good_small_bounces():
    server, site, body = refused_letters("is there some left?\n")
    with server, site:
        story.teach(site)
        message, queue_id = story.slip(site, story.announce(site), body=body)
        hold = story.hold_of(site, queue_id)
        is_over(site, hold, "bounce")
        bounce, = until(lambda: [one for one in site.receiver.received(recipient=ANNA)
                                 if message.id.encode() in one.data], 20, "it bounces")
        assert b"is there some left?" in bounce.data
        server.shutdown()


def test_refused_for_good_stays_where_a_bounce_would_go_to_somebody_else():
    """The client writes the envelope sender as it likes: a bounce is not for whom it names."""
    server, site, body = refused_letters("is there some left?\n")
    with server, site:
        story.teach(site)
        message = story.announce(site).reply_all(ANNA, body)
        queue_id = site.send(message, login="anna", sender="victim@elsewhere.example")
        hold = story.hold_of(site, queue_id)
        line, = until(lambda: site.audit("error", where="return"), 20, "an admin is told")
        assert line["id"] == hold and "550" in line["answer"]
        assert site.mta.queued(queue_id) == "hold"
        assert "cannot be brought back" in site.oopsctl("check").stdout
        assert not site.audit("return", id=hold)
        assert not site.receiver.received(message.id)
        assert not site.receiver.received(recipient="victim@elsewhere.example")
        server.shutdown()


def test_refused_for_good_large_stays():
    server, site, body = refused_letters(text_of(60000))
    with server, site:
        story.teach(site)
        message, queue_id = story.slip(site, story.announce(site), body=body)
        hold = story.hold_of(site, queue_id)
        if site.kind == "sendmail":  # its own bounce has all of it
            is_over(site, hold, "bounce")
        else:
            line, = until(lambda: site.audit("error", where="return"), 20, "an admin is told")
            assert line["id"] == hold and "550" in line["answer"]
            never(lambda: len(site.audit("error", where="return")) > 1, 12, "told again")
            assert site.mta.queued(queue_id) == "hold"
            assert not site.receiver.received(message.id)
            assert "cannot be brought back" in site.oopsctl("check").stdout
        server.shutdown()


def test_a_store_that_cannot_be_written_is_not_hurried():
    """A disk that is full: letters that fail then are not tried as fast as it goes."""
    server, site, body = refused_letters("is there some left?\n", b"450 4.2.0 later\r\n")
    site.allow("mail cannot be brought back for now"
               "|what came of its return cannot be read or written")
    with server, site:
        story.teach(site)
        message, queue_id = story.slip(site, story.announce(site), body=body)
        hold = story.hold_of(site, queue_id)
        with contextlib.closing(sqlite3.connect(site.folder / "state/holds/holds.db",
                                                timeout=30)) as holds:
            holds.execute("CREATE TRIGGER full BEFORE UPDATE OF return_tries ON hold WHEN "
                          "new.return_tries <> old.return_tries "
                          "BEGIN SELECT raise(ABORT, 'full'); END")
            holds.commit()
            until(lambda: "returning" in site.oopsctl("show", hold).stdout, 20)
            before = len(site.audit("notice", id=hold))
            time.sleep(6)
            assert len(site.audit("notice", id=hold)) - before <= 10
            holds.execute("DROP TRIGGER full")
            holds.commit()
        del site.changes["notice"]
        site.write_settings()
        site.oopsctl("reload", check=True)
        line, = until(lambda: site.audit("return", id=hold), 30, "it is returned")
        assert line["how"] == "letter", line
        server.shutdown()

"""Mail that is not odd, or not ours to judge, passes at once and untouched."""
import os
import socket
import threading

from lab import story
from lab.mail import Message, Submission, never, own_part, until
from lab.site import Site
from lab.story import ANNA, COLLEAGUES


class Tap:
    """Stands between Postfix and the milter and counts what crosses, byte by byte."""

    def __init__(self, path, target):
        self.path, self.target, self.to_milter = path, target, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            milter = socket.socket(socket.AF_UNIX)
            milter.connect(self.target)
            threading.Thread(target=self._pump, args=(peer, milter, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(milter, peer, False), daemon=True).start()

    def _pump(self, source, sink, counts):
        while data := source.recv(65536):
            if counts:
                self.to_milter += len(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()


def test_passes_at_end_of_headers():
    """A megabyte of body does not cross the milter's socket."""
    with Site() as site:
        story.teach(site)
        tap = Tap(f"{site.folder}/run/tap.sock", f"{site.folder}/run/milter.sock")
        site.mta.use_milters(f"unix:{tap.path}")
        # an smtpd that was running goes on with the milter that it knows
        until(lambda: site.send(Message(ANNA, COLLEAGUES[:1])) and tap.to_milter > 0, 20)
        before = tap.to_milter
        message = Message(ANNA, COLLEAGUES[:2], body=("x" * 70 + "\n") * 15000)
        site.send(message)
        story.reaches(site, message)
        passed = tap.to_milter - before
        assert 200 < passed < 20000, f"{passed} bytes went to the milter"
        assert site.receiver.received(message.id)[0].header("Oops-Milter") is None
        assert not site.audit("hold") and not site.audit("judge", action="confirm")
        tap.close()


def test_same_bytes():
    with Site() as site:
        story.teach(site)
        message = Message(ANNA, COLLEAGUES[:2], "\u00dcber", body="one\n\n two \n.\n..\n",
                          headers=[("X-Folded", "a\n\tb"), ("X-Bare", " ")])
        site.send(message)
        story.reaches(site, message)
        delivery = site.receiver.received(message.id)[0]
        assert site.mta.plain(own_part(delivery.data)) == site.mta.plain(message.data())


def test_forged_tags_are_removed():
    with Site() as site:
        message = Message(ANNA, COLLEAGUES[:2], headers=[
            ("Oops-Milter", "id=aaaaaaaaaaaaaaaa; action=confirm"), ("X-Kept", "yes"),
            ("oops-milter", "id=bbbbbbbbbbbbbbbb; action=confirm"),
            ("Oops-Milter-Inject", "v1 1 00")])
        site.send(message)
        story.reaches(site, message)
        delivery = site.receiver.received(message.id)[0]
        assert b"oops-milter" not in delivery.data.lower()
        assert delivery.header("X-Kept") == "yes"


def test_unproved_sender_passes_without_a_letter():
    """From outside the trusted networks and with no login: judged for nobody."""
    open_relay = {"smtpd_relay_restrictions": "check_client_access static:OK, reject"}
    with Site(postfix={"extra": open_relay}) as site:
        story.teach(site)
        message = story.announce(site).reply_all(ANNA)
        with Submission(site.mta.port, address="192.0.2.7") as submission:
            submission.send(message)
        story.reaches(site, message)
        never(lambda: [one for one in site.receiver.received(recipient=ANNA)], 2, "a letter")
        assert not site.audit("hold")


def test_sendmail_command_is_judged():
    """Mail from a program on the host comes by non_smtpd_milters."""
    with Site() as site:
        story.teach(site)
        message = story.announce(site).reply_all(ANNA)
        site.mta.sendmail(message)
        held = until(lambda: site.audit("hold", sender=ANNA), 10)[0]
        assert site.mta.queued(held["queue_id"]) == "hold"
        assert site.letters(ANNA)
        small = Message(ANNA, COLLEAGUES[:1])
        site.mta.sendmail(small)
        story.reaches(site, small)


def test_what_is_not_a_persons_send_passes():
    """Bounces, lists and automatic mail are nobody's slip, whatever their size."""
    with Site() as site:
        story.teach(site)
        everybody = [story.CLARA] + COLLEAGUES
        for header in (("Auto-Submitted", "auto-replied"), ("List-Id", "<all.example.com>"),
                       ("Precedence", "bulk")):
            message = Message(ANNA, everybody, headers=[header])
            site.send(message)
            story.reaches(site, message)
        bounce = Message(ANNA, everybody)
        site.send(bounce, sender="")
        story.reaches(site, bounce)
        assert not site.audit("hold")


def test_monitor_mode_only_tags():
    with Site({"policy": ({"action": "tag", "threshold": 0.9},)}) as site:
        story.teach(site)
        message, _ = story.slip(site, story.announce(site))
        story.reaches(site, message)
        assert "action=tag" in site.receiver.received(message.id)[0].header("Oops-Milter")
        assert not site.audit("hold") and site.audit("judge", sender=ANNA, action="tag")
        never(lambda: site.receiver.received(recipient=ANNA), 1, "a letter")

"""oops-queued against a real MTA: every verb, and every reason to leave a file alone.

No milter here: a header check of the MTA holds what carries the tag, so that the tests decide
what the tag says.
"""
import os
import re
import socket
import stat
import subprocess
import time

from lab.mail import Message, until
from lab.site import MILTER_UID, WEB_UID, Site, only

ID_A, ID_B = "a" * 16, "b" * 16
MAC = "abcdefghijklmnopqrstuvwxyz234567"  # oops-queued compares text: who asks proves it


def tag_of(hold_id):
    """The value of a tag header."""
    return f"id={hold_id}; action=confirm; mac={MAC}"


class QueueSite(Site):
    """The MTA and oops-queued alone."""

    def __init__(self, long_queue_ids=True, **mta):
        super().__init__(programs=("oops-queued",),
                         mta={"hold_fields": ("Oops-Milter", "X-Hold"), **mta},
                         postfix={"long_queue_ids": long_queue_ids})

    def hold(self, hold_id, count=1, **arguments):
        """Mails on hold with this id in their tag header; their queue ids and messages."""
        pairs = []
        for _ in range(count):
            tag = ("Oops-Milter", tag_of(hold_id)) if hold_id else ("X-Hold", "1")
            message = Message("anna@example.com", ["ben@example.org"], headers=[tag], **arguments)
            pairs.append((self.send(message), message))
        return pairs

    def is_stopped(self, queue_id):
        """Does the queue file itself say that its author stopped it?"""
        return bool(self.mta.file(queue_id).stat().st_mode & stat.S_ISVTX)

    def ask_raw(self, text):
        """What oops-queued answers to these bytes."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(30)
            peer.connect(f"{self.folder}/run/queue.sock")
            peer.sendall(text.encode())
            peer.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: peer.recv(65536), b""))

    def ask(self, verb, *items):
        """Queue id -> status. Items are (queue id, hold id)."""
        lines = "".join(f"{queue_id} {hold_id}\n" for queue_id, hold_id in items)
        answer = self.ask_raw(f"{verb} {len(items)}\n{lines}").decode().splitlines()
        assert answer and answer[-1] == "END", answer
        return dict(line.split(" ", 1) for line in answer[:-1])


def check_release(long_queue_ids):
    with QueueSite(long_queue_ids) as site:
        (queue_id, message), = site.hold(ID_A)
        assert (len(queue_id) > 12) == long_queue_ids
        assert site.ask("STATUS", (queue_id, ID_A)) == {queue_id: "HELD"}
        assert not site.receiver.received()
        status = site.ask("RELEASE", (queue_id, ID_A))[queue_id]
        assert status in ("MOVING", "GONE"), status
        until(lambda: site.receiver.copies(message.id) == {"ben@example.org": 1}, 2)
        until(lambda: site.mta.queued(queue_id) is None, 5)
        # again and again: nothing more happens
        assert site.ask("RELEASE", (queue_id, ID_A)) == {queue_id: "GONE"}
        assert site.ask("STATUS", (queue_id, ID_A)) == {queue_id: "GONE"}
        assert site.receiver.copies(message.id) == {"ben@example.org": 1}


def test_release_long_ids():
    check_release(True)


@only("postfix")
def test_release_short_ids():
    check_release(False)


def test_release_hundred_at_once():
    with QueueSite() as site:
        pairs = site.hold(ID_A, 100)
        statuses = site.ask("RELEASE", *((queue_id, ID_A) for queue_id, _ in pairs))
        assert set(statuses.values()) <= {"MOVING", "GONE"} and len(statuses) == 100
        for _, message in pairs:
            until(lambda m=message: site.receiver.copies(m.id) == {"ben@example.org": 1}, 10)
        assert len(site.receiver.received()) == 100
        until(lambda: not site.mta.queue(), 5)


def test_release_that_lingers():
    """Deferred mail with our tag is MOVING; asking again only makes Postfix try again."""
    with QueueSite() as site:
        site.receiver.refusals["ben@example.org"] = "450 4.2.0 not now"
        (queue_id, message), = site.hold(ID_A)
        site.ask("RELEASE", (queue_id, ID_A))
        until(lambda: site.mta.queued(queue_id) == "deferred" and
              any(re.search("stat(us)?=deferred", line, re.I) for line in site.mta.log()), 10)
        site.receiver.refusals.clear()
        assert site.ask("STATUS", (queue_id, ID_A)) == {queue_id: "MOVING"}
        site.ask("RELEASE", (queue_id, ID_A))
        until(lambda: site.receiver.copies(message.id) == {"ben@example.org": 1}, 5)


def test_return():
    """The author gets it back, nobody else gets it."""
    with QueueSite() as site:
        (queue_id, message), = site.hold(ID_A, body="secret of the return\n")
        assert site.ask("RETURN", (queue_id, ID_A))[queue_id] in ("MOVING", "GONE")
        bounce, = until(lambda: site.receiver.received(recipient="anna@example.com"), 10)
        assert bounce.sender == "" and b"secret of the return" in bounce.data
        assert not site.receiver.received(recipient="ben@example.org")
        until(lambda: not site.mta.queue(), 5)


def test_delete():
    with QueueSite() as site:
        (queue_id, _), (other, _) = site.hold(ID_A, 2)
        assert site.ask("DELETE", (queue_id, ID_A)) == {queue_id: "GONE"}
        assert site.held() == [other]
        assert not site.receiver.received()


def test_delete_leaves_moving_mail():
    """What is being delivered is not ours to delete any more."""
    with QueueSite() as site:
        site.receiver.refusals["ben@example.org"] = "450 4.2.0 not now"
        (queue_id, _), = site.hold(ID_A)
        site.ask("RELEASE", (queue_id, ID_A))
        until(lambda: site.mta.queued(queue_id) == "deferred", 10)
        assert site.ask("DELETE", (queue_id, ID_A)) == {queue_id: "MOVING"}
        assert site.mta.queued(queue_id) == "deferred"


def test_read():
    with QueueSite() as site:
        (queue_id, message), = site.hold(ID_A, body="a body\n\n.dots\nand \u00e4\n")
        answer = site.ask_raw(f"READ 1\n{queue_id} {ID_A}\n")
        head, _, rest = answer.partition(b"\n")
        name, status, length = head.decode().split(" ")
        assert (name, status) == (queue_id, "HELD") and rest[int(length):] == b"END\n"
        assert rest[:int(length)].endswith(message.text().encode())
        assert site.ask("READ", (queue_id, ID_B)) == {queue_id: "FOREIGN"}


def test_scan():
    """Only files on hold that carry a tag, each with its own id."""
    with QueueSite() as site:
        (first, _), = site.hold(ID_A)
        (second, _), = site.hold(ID_B)
        (foreign, _), = site.hold(None)
        assert set(site.held()) == {first, second, foreign}
        assert site.ask("SCAN") == {first: f"{ID_A} {MAC}", second: f"{ID_B} {MAC}"}


@only("postfix")
def test_scan_of_a_crowded_queue():
    """Two thousand files of others on hold: still found at once, and nobody waits for it."""
    with QueueSite() as site:
        (own, _), = site.hold(ID_A)
        (other, _), = site.hold(None)
        site.mta.multiply(other, 2000)
        assert len(site.held()) == 2002
        began = time.monotonic()
        assert site.ask("SCAN") == {own: f"{ID_A} {MAC}"}
        seconds = time.monotonic() - began
        began = time.monotonic()
        site.ask("STATUS", (own, ID_A))
        one = time.monotonic() - began
        # one by one it would be 2,000 times that; a ratio, because machines differ
        assert seconds < 400 * one + 1, (seconds, one)
        print(f"SCAN of 2002 files: {seconds:.2f} s, STATUS of one: {one:.3f} s")


def test_foreign_and_reused_ids_are_left_alone():
    """A file without our tag, or with the id of another hold: no verb touches it."""
    with QueueSite() as site:
        site.allow("not our file, left alone")
        (foreign, _), = site.hold(None)
        (reused, _), = site.hold(ID_B)
        for verb in ("STATUS", "RELEASE", "RETURN", "DELETE", "READ"):
            for queue_id in (foreign, reused):
                assert site.ask(verb, (queue_id, ID_A)) == {queue_id: "FOREIGN"}, verb
        assert set(site.held()) == {foreign, reused}
        assert not site.receiver.received()


def test_forged_tags_do_not_matter():
    """Neither in the body, nor in a folded line, nor below another tag."""
    with QueueSite() as site:
        site.allow("not our file, left alone")
        forged = f"Oops-Milter: {tag_of(ID_B)}"
        (queue_id, _), = site.hold(ID_A, body=f"{forged}\n\n*** ENVELOPE RECORDS hold/x ***\n")
        message = Message("anna@example.com", ["ben@example.org"], headers=[
            ("X-Hold", f"1\n {forged}"), ("Oops-Milter", tag_of(ID_A)),
            ("Oops-Milter", tag_of(ID_B))])
        second = site.send(message)
        for one in (queue_id, second):
            assert site.ask("RELEASE", (one, ID_B)) == {one: "FOREIGN"}
            assert site.ask("STATUS", (one, ID_A)) == {one: "HELD"}


def test_bad_requests():
    with QueueSite() as site:
        site.allow("request refused")
        (queue_id, _), = site.hold(ID_A)
        for request in (f"RELEASE 2\n{queue_id} {ID_A}\n", "RELEASE 1\nALL ALL\n",
                        f"DELETE 1\nALL {ID_A}\n", "DELETE 501\n", "HELLO\n", "\n" * 100,
                        f"READ 1\n../../etc/passwd {ID_A}\n", "S" * 300 + "\n"):
            answer = site.ask_raw(request)
            assert answer.startswith(b"ERROR ") and answer.count(b"\n") == 1, (request, answer)
        assert site.ask("STATUS", (queue_id, ID_A)) == {queue_id: "HELD"}


def connect_as(site, uid):
    """Does this user get an answer that is no error?"""
    script = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
              "s.sendall(b'SCAN 0\\n'); sys.exit(s.recv(9) != b'END\\n')")
    return subprocess.run(["python3", "-c", script, f"{site.folder}/run/queue.sock"], user=uid,
                          group=uid, extra_groups=[], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def test_stop_is_written_into_the_file():
    """It survives a rename by the MTA's own tools, changes no status, and RELEASE takes it away."""
    with QueueSite() as site:
        (queue_id, message), (other, _) = site.hold(ID_A, 2)
        assert site.ask("STOP", (queue_id, ID_A)) == {queue_id: "HELD"}
        assert site.is_stopped(queue_id) and not site.is_stopped(other)
        assert site.ask("STATUS", (queue_id, ID_A)) == {queue_id: "HELD"}
        site.allow("not our file, left alone")
        assert site.ask("STOP", (other, ID_B)) == {other: "FOREIGN"}
        assert not site.is_stopped(other)
        site.ask("RELEASE", (queue_id, ID_A))
        until(lambda: site.receiver.copies(message.id) == {"ben@example.org": 1}, 10)
        until(lambda: site.ask("STOP", (queue_id, ID_A)) == {queue_id: "GONE"}, 5)


@only("postfix")
def test_stop_survives_what_postfix_does():
    """postsuper puts it on hold again, requeues nothing of it, and renames it by its inode."""
    with QueueSite(long_queue_ids=False) as site:
        site.receiver.refusals["ben@example.org"] = "450 4.2.0 not now"
        site.allow("QUEUE FILE NAMES WERE CHANGED")
        (queue_id, _), = site.hold(ID_A)
        site.ask("STOP", (queue_id, ID_A))
        site.mta.run("postsuper", "-H", queue_id)
        site.mta.run("postsuper", "-h", queue_id)
        assert site.is_stopped(queue_id)
        # a queue that was copied: other inodes, so postsuper -s gives short ids anew
        path = str(site.mta.file(queue_id))
        subprocess.run(["cp", "-a", path, path + ".copy"], check=True)
        os.rename(path + ".copy", path)
        site.mta.run("postsuper", "-s")
        renamed, = site.held()
        assert renamed != queue_id and site.is_stopped(renamed)
        assert site.ask("SCAN") == {renamed: f"{ID_A} {MAC}"}
        assert site.ask("STATUS", (queue_id, ID_A), (renamed, ID_A)) == {
            queue_id: "GONE", renamed: "HELD"}


@only("postfix")
def test_forged_envelope_is_no_header():
    """A recipient's original name with line ends in it, as postcat prints it among the envelope."""
    with QueueSite() as site:
        site.allow("not our file, left alone")
        forged = "+0A".join(("rfc822;a", "*** MESSAGE CONTENTS x ***",
                             f"Oops-Milter: {tag_of(ID_A)}", "")).replace(" ", "+20")
        forged = forged.replace("=", "+3D")
        queue_id = site.send(Message("anna@example.com", ["ben@example.org"],
                                     headers=[("X-Hold", "1")]), orcpt=forged)
        (own, _), = site.hold(ID_A)
        assert set(site.held()) == {queue_id, own}
        printed = site.mta.run("postcat", "-e", "-q", queue_id)
        assert "\n*** MESSAGE CONTENTS x ***\nOops-Milter: id=" in printed, printed
        assert site.ask("SCAN") == {own: f"{ID_A} {MAC}"}
        for verb in ("STATUS", "RELEASE", "DELETE", "STOP"):
            assert site.ask(verb, (queue_id, ID_A)) == {queue_id: "FOREIGN"}, verb
        assert set(site.held()) == {queue_id, own}


@only("sendmail")
def test_envelopes_of_one_mail_go_together():
    """A queue group may take few recipients: one mail is several queue files then."""
    with QueueSite(envelope_recipients=2) as site:
        message = Message("anna@example.com", [f"ben{number}@example.org" for number in range(5)],
                          headers=[("Oops-Milter", tag_of(ID_A))])
        queue_id = site.send(message)
        until(lambda: len(site.held()) == 3, 5)
        (other, _), = site.hold(ID_B)
        site.ask("RELEASE", (queue_id, ID_A))
        until(lambda: len(site.receiver.copies(message.id)) == 5, 10)
        until(lambda: site.ask("STATUS", (queue_id, ID_A)) == {queue_id: "GONE"}, 5)
        assert site.held() == [other] and set(site.receiver.copies(message.id).values()) == {1}


def test_only_its_user_may_ask():
    with QueueSite() as site:
        site.allow(f"uid {WEB_UID} refused")
        path = f"{site.folder}/run/queue.sock"
        assert connect_as(site, MILTER_UID) and connect_as(site, 0)
        assert not connect_as(site, WEB_UID)
        # even if the file's mode and its folder let it in
        os.chmod(path, 0o666)
        os.chmod(f"{site.folder}/run", 0o755)
        assert not connect_as(site, WEB_UID)
        assert any(f"uid {WEB_UID} refused" in line for line in site.log("oops-queued"))


def test_one_server_for_a_socket():
    """A second oops-queued gives up; after a kill the next one takes the stale socket."""
    with QueueSite() as site:
        done = subprocess.run([site.folder / "bin" / "oops-queued", "-c", site.conf, "-f"],
                              capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 69 and "somebody listens there" in done.stderr, done
        # without -f the reason reaches the terminal too, and the exit code the script
        done = subprocess.run([site.folder / "bin" / "oops-queued", "-c", site.conf],
                              capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 69 and "somebody listens there" in done.stderr, done
        site.end("oops-queued", by=9)
        assert os.path.exists(f"{site.folder}/run/queue.sock")
        site.run("oops-queued")
        assert site.ask("SCAN") == {}


def test_without_its_mta():
    """The MTA's daemon is down: files are still seen and released; they leave when it is up again."""
    with QueueSite() as site:
        (queue_id, message), = site.hold(ID_A)
        site.mta.stop()
        site.allow("RELEASE of 1 files|mail system is down|Connection refused")
        assert site.ask("STATUS", (queue_id, ID_A)) == {queue_id: "HELD"}
        first = site.ask("RELEASE", (queue_id, ID_A))[queue_id]
        assert first in ("MOVING", "FAILED"), first
        site.mta.start()
        site.ask("RELEASE", (queue_id, ID_A))
        until(lambda: site.receiver.copies(message.id) == {"ben@example.org": 1}, 10)

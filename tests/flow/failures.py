"""When something is broken: mail flows or waits, as the policy says, and nothing is lost."""
import subprocess
import time

from lab import story, web
from lab.mail import Refused, never, until
from lab.site import MILTER_UID, HOLDS_GID, Site
from lab.story import ANNA


def policy(**rule):
    return {"policy": ({"action": "confirm", "threshold": 0.9, **rule},)}


class SmallDisk:
    """Puts holds/ on a file system of its own that can be filled to the last byte."""

    def __init__(self, site):
        self.site, self.path = site, site.folder / "state" / "holds"

    def __enter__(self):
        self.site.end("oops-milter")
        kept = {path.name: path.read_bytes() for path in self.path.iterdir()}
        options = f"size=2m,uid={MILTER_UID},gid={HOLDS_GID},mode=2770"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path], check=True)
        for name, data in kept.items():
            (self.path / name).write_bytes(data)
        self.site._give_away()
        self.site.run("oops-milter")
        return self

    def fill(self):
        try:
            with open(self.path / "ballast", "wb", buffering=0) as file:
                while file.write(b"x" * 4096):
                    pass
        except OSError:
            pass

    def empty(self):
        (self.path / "ballast").unlink()

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)


def test_disk_full_accepts_or_tempfails():
    for on_error in ("accept", "tempfail"):
        with Site(policy(on_error=on_error), programs=("oops-queued", "oops-milter")) as site:
            site.allow(r"oops-milter: (error|warning): ")
            site.allow(r"milter-reject")
            story.teach(site)
            announcement = story.announce(site)
            with SmallDisk(site) as disk:
                disk.fill()
                message = announcement.reply_all(ANNA)
                if on_error == "accept":
                    site.send(message)
                    story.reaches(site, message)
                else:
                    try:
                        site.send(message)
                        raise AssertionError("accepted though the disk is full")
                    except Refused as refused:
                        assert 400 <= refused.code < 500, refused
                    assert not site.mta.queue(), "refused and queued"
                assert site.audit("error", where="hold", answer=on_error)
                # the auditor is told what became of it, not what was meant to
                done = {"accept": "pass", "tempfail": "tempfail"}[on_error]
                line = site.audit("judge", sender=ANNA)[-1]
                assert (line["action"], line["wanted"], line["gate"], line["id"]) == (
                    done, "confirm", "error", "-"), line
                assert not site.held()
                # with room again, the same slip is held
                disk.empty()
                if on_error == "accept":  # the first is out: what belongs to it follows
                    more = message.reply_all(ANNA, "PS: the disk was full.\n")
                    more.to, more.cc = message.to, message.cc
                    site.send(more)
                    story.reaches(site, more)
                    assert site.audit("judge")[-1]["limited_by"] == "series"
                again, queue_id = story.slip(site, announcement)
                story.hold_of(site, queue_id)
                assert site.mta.queued(queue_id) == "hold"
                site.end("oops-milter")


def test_store_unwritable_accepts():
    """holds.db turned read-only under the running program."""
    with Site(policy(on_error="accept"), programs=("oops-queued", "oops-milter")) as site:
        site.allow(r"oops-milter: (error|warning): ")
        story.teach(site)
        announcement = story.announce(site)
        site.end("oops-milter")
        holds = site.folder / "state" / "holds"
        site.run("oops-milter")
        subprocess.run(["mount", "--bind", holds, holds], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", holds], check=True)
            site.end("oops-milter")
            site.allow("readonly")
            code = subprocess.run([site.folder / "bin" / "oops-milter", "-c", site.conf, "-f"],
                                  user=MILTER_UID, group=MILTER_UID, extra_groups=[HOLDS_GID],
                                  capture_output=True, text=True, timeout=120, check=False)
            assert code.returncode != 0 and "holds" in code.stderr, code.stderr
        finally:
            subprocess.run(["umount", "-l", holds], check=True)
        site.run("oops-milter")
        _, queue_id = story.slip(site, announcement)
        story.hold_of(site, queue_id)


def test_helper_down_keeps_mail_held_and_tells_the_admin():
    with Site() as site:
        site.allow(r"oops-milter: (error|warning): ")
        story.teach(site)
        message, queue_id = story.slip(site, story.announce(site))
        hold = story.hold_of(site, queue_id)
        link = site.link(ANNA)
        site.end("oops-queued")
        assert web.press(link, "send").status == 303
        until(lambda: site.audit("error", where="queue"), 10, "the admin is told")
        never(lambda: site.receiver.received(message.id), 2)
        assert site.mta.queued(queue_id) == "hold"
        assert web.get(link).status == 200
        told = len(site.audit("error", where="queue"))
        assert told <= 3, f"told {told} times"
        site.run("oops-queued")
        story.reaches(site, message, 40)
        until(lambda: site.audit("sent", id=hold), 5)


def test_helper_down_while_placing():
    """The slip is held all the same; the letter comes when the helper is back."""
    with Site() as site:
        site.allow(r"oops-milter: (error|warning): ")
        story.teach(site)
        announcement = story.announce(site)
        site.end("oops-queued")
        message, queue_id = story.slip(site, announcement)
        assert site.mta.queued(queue_id) == "hold"
        never(lambda: site.receiver.received(recipient=ANNA), 2, "a letter about nothing seen")
        site.run("oops-queued")
        assert site.letters(ANNA, 40)


def test_reused_queue_id_is_refused():
    """The held file is gone and another mail has its queue id: left alone, and said so."""
    with Site(postfix={"long_queue_ids": False}) as site:
        site.allow(r"oops-milter: (error|warning): ")
        site.allow("not our file, left alone")
        story.teach(site)
        message, queue_id = story.slip(site, story.announce(site))
        hold = story.hold_of(site, queue_id)
        link = site.link(ANNA)
        other = steal_id(site, queue_id)
        web.press(link, "send")
        until(lambda: site.audit("lost", id=hold), 15, "the loss is told")
        assert site.mta.queued(queue_id) == "hold", "another mail was released"
        assert not site.receiver.received(message.id) and not site.receiver.received(other.id)
        assert web.get(link).status == 200


def steal_id(site, queue_id):
    """Deletes a held mail and gives its queue id to another one that is on hold, too."""
    from lab.mail import Message
    other = Message(ANNA, ["ben@example.org"], "Quite another mail")
    site.receiver.refusals["ben@example.org"] = "450 4.2.0 later"
    theirs = site.send(other)
    until(lambda: site.mta.queued(theirs) == "deferred", 10)
    site.mta.hold(theirs)
    site.mta.steal(queue_id, theirs)
    site.receiver.refusals.clear()
    return other


def test_letter_that_cannot_be_delivered():
    """Audited; the mail stays on hold, and comes back when a server takes letters."""
    with Site({"notice": {"smtp": "smtp://127.0.0.1:9"},
               "confirm": {"expires": "5s"}}) as site:
        site.allow(r"oops-milter: (error|warning): ")
        story.teach(site)
        message, queue_id = story.slip(site, story.announce(site))
        hold = story.hold_of(site, queue_id)
        failed = until(lambda: site.audit("notice", id=hold), 5)[0]
        assert failed["to"] == ANNA and failed["answer"] != "250"
        until(lambda: " returning " in site.oopsctl("list").stdout, 20, "it expires")
        assert site.mta.queued(queue_id) == "hold"
        del site.changes["notice"]
        site.write_settings()
        site.oopsctl("reload", check=True)
        until(lambda: [one for one in site.receiver.received(recipient=ANNA)
                       if message.id.encode() in one.data], 60, "it comes back to Anna")
        until(lambda: site.mta.queued(queue_id) is None, 10)


def test_milter_gone_then_everything_is_still_free():
    """Promise: without us, the MTA's own tool frees everything."""
    with Site() as site:
        story.teach(site)
        message, queue_id = story.slip(site, story.announce(site))
        story.hold_of(site, queue_id)
        site.letters(ANNA)
        for name in list(site.running):
            site.end(name)
        site.mta.release()
        story.reaches(site, message)


def test_released_by_hand_is_noticed():
    with Site() as site:
        story.teach(site)
        message, queue_id = story.slip(site, story.announce(site))
        hold = story.hold_of(site, queue_id)
        link = site.link(ANNA)
        site.mta.release(queue_id)
        story.reaches(site, message)
        web.press(link, "send")
        until(lambda: site.audit("lost", id=hold), 10)
        time.sleep(1)
        assert not site.audit("sent", id=hold), "it was not us who sent it"
        assert set(site.receiver.copies(message.id).values()) == {1}

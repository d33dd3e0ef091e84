"""Held mail that no row watches over comes back into care: oopsctl adopt."""
import os
import time

from lab import story, web
from lab.mail import Message, never, until
from lab.site import Site, only
from lab.story import ANNA

SETTINGS = {"policy": ({"match": {"sender": ANNA}, "action": "undo", "threshold": 0.5},
                       {"action": "pass"})}


def run(site, code, *arguments):
    """Runs a command that must end with this code; what it printed."""
    done = site.oopsctl(*arguments)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def slip(site):
    story.teach(site)
    message, queue_id = story.slip(site, story.announce(site))
    until(lambda: site.mta.queued(queue_id) == "hold", 5, "the slip is held")
    until(lambda: " held " in run(site, 0, "list"), 10, "the keeper saw it")
    site.link(ANNA)  # nothing is under way any more when the milter is ended
    return message, queue_id, story.hold_of(site, queue_id)


def lose_holds(site):
    """The database of held mail is gone, as after a disk that broke."""
    site.end("oops-milter")
    site.end("oops-web")
    for path in (site.folder / "state" / "holds").iterdir():
        path.unlink()
    run(site, 0, "init")
    site._give_away()
    site.run("oops-milter")
    site.run("oops-web")


def test_after_the_database_was_lost_the_author_is_asked_again():
    with Site({**SETTINGS, "undo": {"window": "1h"}}) as site:
        message, queue_id, hold = slip(site)
        assert "every held mail is in care" in run(site, 0, "adopt")
        lose_holds(site)
        said = run(site, 69, "check")
        assert f"1 queue file is on hold that no hold watches over: {queue_id}" in said, said
        assert "oopsctl adopt" in said
        site.receiver.forget()
        assert f"would adopt: {queue_id} {hold} {ANNA}" in run(site, 0, "adopt", "--dry-run")
        assert "nothing is held" in run(site, 0, "list")
        assert (f"adopted: {queue_id} {hold} {ANNA}: asked again; without a choice it goes back"
                in run(site, 0, "adopt"))
        assert "every held mail is in care" in run(site, 0, "adopt")
        link = site.link(ANNA)  # a new letter: the old link is gone with the database
        assert "Nobody has got it" not in web.get(link).text, "nobody knows that"
        shown = run(site, 0, "show", hold)
        assert message.subject in shown and "confirm" in shown, shown
        assert "then it is returned to its author" in shown, shown
        assert "if you stopped it, it comes back to you when you do nothing" in shown, shown
        never(lambda: site.receiver.copies(message.id), 1, "it left by itself")
        assert site.mta.queued(queue_id) == "hold"
        web.press(link, "send")
        story.reaches(site, message)
        until(lambda: "sent" in run(site, 0, "show", hold), 5, "the state is sent")
        run(site, 0, "check")


def test_what_was_stopped_does_not_leave_after_the_database_was_lost():
    with Site({**SETTINGS, "undo": {"window": "1h"},
               "confirm": {"expires": "3s", "on_expiry": "send"}}) as site:
        message, queue_id, hold = slip(site)
        web.press(site.link(ANNA), "undo")
        until(lambda: site.audit("undo", id=hold), 10, "it is stopped")
        lose_holds(site)
        assert f"adopted: {queue_id} {hold} {ANNA}" in run(site, 0, "adopt")
        until(lambda: site.returned(ANNA), 30, "it comes back, as nobody said a word")
        assert not site.receiver.copies(message.id)


def forge(site, queue_id, old, new):
    """Writes other bytes into a queue file, as somebody who copied a header would."""
    path = site.mta.file(queue_id)
    data, times = path.read_bytes(), path.stat()
    assert old in data and len(old) == len(new)
    with open(path, "r+b") as file:
        file.write(data.replace(old, new))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_forged_tag_is_told_and_asks_nobody():
    with Site({**SETTINGS, "undo": {"window": "1h"}}) as site:
        _, queue_id, hold = slip(site)
        lose_holds(site)
        # another From under a tag that is good: it was copied
        forge(site, queue_id, b"From: <anna@", b"From: <boss@")
        said = run(site, 65, "adopt")
        assert said.startswith(f"left alone: {queue_id} {hold}: its tag does not prove that boss@")
        forge(site, queue_id, b"From: <boss@", b"From: <anna@")
        forge(site, queue_id, f"id={hold}".encode(), b"id=aaaaaaaaaaaaaaaa")
        said = run(site, 65, "adopt")
        assert said.startswith(f"left alone: {queue_id} aaaaaaaaaaaaaaaa: its tag is not ours"), said
        said = run(site, 0, "check")
        assert f"1 queue file carries a forged tag, which no key of this site made: {queue_id}" in said
        assert "oopsctl adopt" not in said, said
        forge(site, queue_id, b"id=aaaaaaaaaaaaaaaa", f"id={hold}".encode())
        # the key changes while the mail is held: it stays ours
        run(site, 0, "rotate-key")
        assert f"adopted: {queue_id} {hold} {ANNA}" in run(site, 0, "adopt")


@only("postfix")
def test_under_a_new_name_it_is_told_by_that_name():
    """A queue whose file was away for a while, and came back under another name."""
    with Site({**SETTINGS, "undo": {"window": "1h"}}) as site:
        message, queue_id, hold = slip(site)
        link = site.link(ANNA)
        file = site.mta.file(queue_id)
        other = file.name[:6] + file.name[6:10][::-1] + file.name[10:]
        away = file.rename(site.folder / "mta" / "spool" / "saved" / other)
        web.press(link, "send")
        until(lambda: site.audit("lost", id=hold), 20, "it is missed")
        away.rename(file.with_name(other))
        assert f"adopted: {other} {hold} {ANNA}" in run(site, 0, "adopt")
        until(lambda: len(site.audit("held", id=hold)) == 2, 20, "it is seen")
        assert site.audit("held", id=hold)[1]["queue_ids"] == other
        web.press(site.link(ANNA), "send")
        story.reaches(site, message)


def slow_tools(site, seconds):
    """Postfix's tools, of which postcat is slow, but for the first time."""
    folder = site.folder / "tools"
    folder.mkdir()
    for tool in os.listdir("/usr/sbin"):
        if tool.startswith("post"):
            (folder / tool).symlink_to(f"/usr/sbin/{tool}")
    (folder / "postcat").unlink()
    notes = site.folder / "notes"  # beside it: whoever may run the tools may not change them
    notes.mkdir()
    notes.chmod(0o777)
    (folder / "postcat").write_text(
        f"#!/bin/sh\nif [ -e {notes}/asked ]; then sleep {seconds}; fi\n"
        f": >{notes}/asked\nexec /usr/sbin/postcat \"$@\"\n", encoding="ascii")
    (folder / "postcat").chmod(0o755)
    return str(folder)


@only("postfix")  # whose tools are made slow
def test_check_has_patience_when_it_looks_again():
    with Site({**SETTINGS, "undo": {"window": "1h"}}) as site:
        _, queue_id, _ = slip(site)
        site.changes = {**SETTINGS, "mta": {"command_directory": slow_tools(site, 12)}}
        site.write_settings()
        site.end("oops-queued")
        site.run("oops-queued")
        lose_holds(site)
        said = run(site, 69, "check")
        assert f"1 queue file is on hold that no hold watches over: {queue_id}" in said, said


@only("postfix")
def test_check_of_a_crowded_queue():
    """A thousand held mails that no row knows, and a thousand of others: check tells it."""
    with Site({**SETTINGS, "undo": {"window": "1h"}}) as site:
        _, queue_id, _ = slip(site)
        site.mta.multiply(queue_id, 1000)
        site.mta.hold_fields = ("X-Hold",)
        site.mta.reload()
        other = site.send(Message("boss@elsewhere.example", [ANNA], headers=[("X-Hold", "1")]))
        until(lambda: site.mta.queued(other), 10, "it is queued")
        site.mta.multiply(other, 1000)
        began = time.monotonic()
        said = run(site, 69, "check")
        print(f"check with 2002 files on hold: {time.monotonic() - began:.1f} s")
        assert "answers at" in said and "1001 queue files are on hold for us" in said, said
        assert "1000 queue files are on hold that no hold watches over" in said, said


def test_nothing_to_adopt_and_nobody_to_ask():
    with Site(SETTINGS) as site:
        message, queue_id, hold = slip(site)
        run(site, 0, "send", hold)
        story.reaches(site, message)
        assert "every held mail is in care" in run(site, 0, "adopt")
        site.end("oops-queued")
        site.allow(r"oops-queued")
        assert "oops-queued" in run(site, 69, "adopt")
        site.run("oops-queued")
        assert "usage" in run(site, 64, "adopt", "--everything")


def test_a_mail_of_nobody_here_is_left_alone():
    with Site({**SETTINGS, "undo": {"window": "1h"}}) as site:
        message, queue_id, _ = slip(site)
        lose_holds(site)
        site.changes = {**SETTINGS, "identity": {"local_domains": ("other.example",)}}
        site.write_settings()
        said = run(site, 65, "adopt")
        assert said.startswith(f"left alone: {queue_id} ") and "local_domains" in said, said
        assert site.mta.queued(queue_id) == "hold"
        site.mta.release(queue_id)  # by hand, as it says
        story.reaches(site, message)

"""The history cannot be written: removed, its disk full, damaged, or locked by somebody else.

Whatever it is, windows end, letters go, clicks are carried out, mail passes and slips are held by
what is known; the admin is told once when it begins and once when it is over, `oopsctl check` says
since when, and learning goes on afterwards.
"""
import contextlib
import os
import sqlite3
import subprocess

from lab import story, web
from lab.mail import Message, until
from lab.site import HOLDS_GID, MILTER_UID, Site
from lab.story import ANNA, CLARA

BELLA = "bella@example.com"
SETTINGS = {"undo": {"window": "4s"},
            "policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                       {"match": {"sender": BELLA}, "action": "undo", "threshold": 0.5},
                       {"action": "pass"})}


def files(site):
    """memory.db and what SQLite keeps beside it."""
    return sorted((site.folder / "state").glob("memory.db*"))


def database(site):
    return sqlite3.connect(f"{site.folder}/state/memory.db", isolation_level=None)


def told(site, text):
    """Audit lines about the history that say this."""
    return [line for line in site.audit("error", where="memory") if text in line["what"]]


def check(site):
    return site.oopsctl("check").stdout


@contextlib.contextmanager
def taught():
    """A site that knows Anna and Bella; Clara has written to everybody twice."""
    with Site(SETTINGS) as site:
        story.teach(site, ANNA)
        story.teach(site, BELLA)
        yield site, story.announce(site, to=ANNA), story.announce(site, to=BELLA)


class Slips:
    """A slip of each, held before the trouble begins, and what should become of them."""

    def __init__(self, site, to_anna, to_bella):
        self.site = site
        self.confirm, queue_id = story.slip(site, to_anna)
        self.hold = story.hold_of(site, queue_id)
        self.link = site.link(ANNA)
        self.undo, queue_id = story.slip(site, to_bella, BELLA)
        self.window = story.hold_of(site, queue_id)

    def come_through(self):
        """The window ends by itself, the other one by a click, with a letter about each."""
        assert web.press(self.link, "send").status == 303
        for message in (self.undo, self.confirm):
            story.reaches(self.site, message, 30)
        for hold in (self.window, self.hold):
            until(lambda hold=hold: self.site.audit("sent", id=hold), 20, "it is said")
        assert self.site.letters(BELLA)


def mail_passes(site, count=3):
    """Ordinary mail, which the history would learn."""
    for number in range(count):
        note = Message(CLARA, ["colleague01@example.com"], f"Meanwhile {number}")
        site.send(note)
        until(lambda note=note: site.receiver.received(note.id), 20, "mail passes")


def is_away(site, why):
    """Told, as soon as there is something to learn, and `check` says what it is."""
    until(lambda: mail_passes(site, 1) or told(site, "cannot be used"), 60, "the admin is told")
    assert why in told(site, "cannot be used")[0]["what"], told(site, "")
    said = until(lambda: mail_passes(site, 1) or
                 next((line for line in check(site).splitlines()
                       if line.startswith("fault: learning: ")), None), 60, "check says it")
    assert "memory.db cannot be used since 20" in said and why in said, said


def is_back(site, before):
    """What waited is learned, and the admin is told."""
    mail_passes(site, 1)
    until(lambda: told(site, "learning goes on"), 40, "the admin is told")
    until(lambda: site.threads() > before, 40, "learning goes on")
    # on a full disk a page may come free now and then, and both are told once more
    until(lambda: len(told(site, "cannot be used")) == len(told(site, "learning goes on")), 40,
          "one of each is told")
    assert len(told(site, "learning goes on")) <= 5
    until(lambda: "ok: learning: what passes is learned" in check(site), 10, "check says it")


def test_a_removed_history_is_made_anew():
    with taught() as (site, *announcements):
        slips = Slips(site, *announcements)
        for path in files(site):
            path.unlink()
        slips.come_through()
        is_back(site, 0)
        assert "moved or removed" in told(site, "cannot be used")[0]["what"]
        assert site.end("oops-milter") == 0
        site.run("oops-milter")


@contextlib.contextmanager
def small_disk(site):
    """The history on a file system of its own, with all that it knows; holds/ stays where it is."""
    state, kept = site.folder / "state", site.folder / "kept"
    site.end("oops-milter")
    os.rename(state, kept)
    state.mkdir()
    options = f"size=6m,uid={MILTER_UID},gid={HOLDS_GID},mode=710"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", state], check=True)
    subprocess.run(["cp", "-a", kept / "memory.db", state], check=True)
    (state / "holds").mkdir()
    subprocess.run(["mount", "--bind", kept / "holds", state / "holds"], check=True)
    site.run("oops-milter")
    try:
        yield state / "ballast"
    finally:
        if "oops-web" in site.running:
            site.end("oops-web")
        if "oops-milter" in site.running:
            site.end("oops-milter")
        subprocess.run(["umount", "-l", state / "holds"], check=True)
        subprocess.run(["umount", "-l", state], check=True)


def fill(path):
    """To the last byte."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def test_a_full_disk_keeps_no_one():
    with taught() as (site, to_anna, to_bella):
        site.end("oops-web")
        with small_disk(site) as ballast:
            site.run("oops-web")
            slips = Slips(site, to_anna, to_bella)
            later = story.announce(site, to=ANNA, subject="Tea in the kitchen")
            before = site.threads()
            fill(ballast)
            mail_passes(site, 20)
            slips.come_through()
            is_away(site, "full")
            _, queue_id = story.slip(site, later)
            assert story.hold_of(site, queue_id)  # what is known still counts
            ballast.unlink()
            is_back(site, before + 20)
            fill(ballast)
            mail_passes(site, 20)
            assert site.end("oops-milter") == 0  # though it could not learn these


def test_a_damaged_history_keeps_no_one():
    with taught() as (site, *announcements):
        site.allow(r"oops-milter: (error|warning): ")
        slips = Slips(site, *announcements)
        copy = site.folder / "copy.db"
        with contextlib.closing(database(site)) as good, \
                contextlib.closing(sqlite3.connect(copy)) as backup:
            good.backup(backup)
            # somebody else's change, or the daemon would go on by what it has in its memory
            good.execute("PRAGMA application_id = 1")
        for path in files(site):
            if path.suffix != ".db-shm":
                path.write_bytes(b"\xa5" * path.stat().st_size)
        mail_passes(site)
        slips.come_through()
        is_away(site, "memory.db")
        os.chown(copy, MILTER_UID, MILTER_UID)
        for path in files(site):
            path.unlink()
        os.rename(copy, site.folder / "state" / "memory.db")
        before = site.threads()
        is_back(site, before)


def test_a_lock_keeps_no_one():
    with taught() as (site, *announcements):
        slips = Slips(site, *announcements)
        before = site.threads()
        with contextlib.closing(database(site)) as other:
            other.execute("BEGIN IMMEDIATE")
            mail_passes(site)
            slips.come_through()
            is_away(site, "locked")
            other.execute("ROLLBACK")
            is_back(site, before)
            # and a program that ends does not wait for it, but says what it has not learned
            other.execute("BEGIN IMMEDIATE")
            mail_passes(site)
            assert site.end("oops-milter") == 0
            assert told(site, "mails were not learned"), site.audit("error")
            other.execute("ROLLBACK")
        site.run("oops-milter")

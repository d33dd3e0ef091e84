"""oopsctl check: each program's files are looked at as the user that it runs as; and the disk."""
import contextlib
import os
import pathlib
import shutil
import subprocess

from check import clean, fault, findings, milter_is_away
from lab import story
from lab.mail import until
from lab.site import HOLDS_GID, MILTER_UID, WEB_UID, Site, only
from lab.story import ANNA

SETTINGS = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                       {"action": "pass"})}


@contextlib.contextmanager
def owned(path, uid, mode):
    """A file that belongs to somebody else, for as long as it lasts."""
    before = os.stat(path)
    os.chown(path, uid, -1)
    os.chmod(path, mode)
    yield
    os.chown(path, before.st_uid, -1)
    os.chmod(path, before.st_mode & 0o7777)


def of_files(site, *words):
    """What is said of files, and of nothing else."""
    found = findings(site, 69, "fault")
    assert found and all(line.startswith("fault: files: ") for line in found), found
    assert any(all(word in line for word in words) for line in found), found


def test_files_that_belong_to_somebody_else():
    with Site(SETTINGS) as site:
        clean(site)
        state = site.folder / "state"
        as_milter, as_web = (f"{name}, as user {uid}, cannot" for name, uid in
                             (("oops-milter", MILTER_UID), ("oops-web", WEB_UID)))
        with owned(site.folder / "secret.key", 0, 0o600):
            of_files(site, f"{as_milter} read {site.folder}/secret.key: Permission denied",
                     "it belongs to user 0")
        for path in (state / "memory.db", state / "holds" / "holds.db"):
            with owned(path, 0, 0o600):
                of_files(site, f"{as_milter} read and write {path}: Permission denied")
            site._give_away()  # what SQLite made beside it, for the owner that it found
        with owned(state / "oops-milter.run", 0, 0o600):
            of_files(site, f"{as_milter} read and write {state}/oops-milter.run")
        with owned(state / "holds" / "oops-web.run", 0, 0o640):
            of_files(site, f"{as_web} read and write {state}/holds/oops-web.run")
        with owned(site.conf, 0, 0o600):
            of_files(site, f"{as_milter} read {site.conf}")
        with owned(site.folder / "run", 0, 0o2755):
            of_files(site, f"{as_milter} read and write {site.folder}/run:")
        # one folder in the way of all is one fault for each program
        with owned(state, 0, 0o700):
            found = findings(site, 69, "fault")
            assert len(found) == 2 and all(f"of {state}: it belongs to user 0" in line
                                           for line in found), found
            assert as_milter in found[0] and as_web in found[1]
        clean(site)


def owners(site):
    """Whose the files of both databases are."""
    return {path.name: (path.stat().st_uid, path.stat().st_gid)
            for path in (site.folder / "state").rglob("*.db*")}


def test_root_leaves_no_files_of_its_own_and_changes_no_owner():
    with Site(SETTINGS) as site:
        milter_is_away(site)
        for name in ("oops-web", "oops-milter"):
            site.end(name)
        site.run("oops-web")  # it opens the database of held mail first, and makes the files
        before = owners(site)
        assert before["holds.db-wal"] == before["holds.db-shm"] == (WEB_UID, HOLDS_GID), before
        for command in (("check",), ("list", "--all"), ("storm", "list")):
            site.oopsctl(*command)
            assert owners(site) == before, command
        site.end("oops-web")
        before = owners(site)
        assert "holds.db-wal" not in before, before
        site.oopsctl("check")
        assert owners(site) == before
        site.run("oops-milter")
        site.run("oops-web")


def test_files_that_the_settings_name():
    with Site(SETTINGS) as site:
        folder = site.folder / "named"
        folder.mkdir()
        names = {name: str(folder / name) for name in ("aliases", "logins", "letter", "virtual")}
        for path in names.values():
            pathlib.Path(path).write_text("", encoding="ascii")
        site.changes = {**SETTINGS, "lists": ({"aliases": names["aliases"]},
                                              {"virtual": names["virtual"]}),
                        "identity": {"logins": names["logins"]},
                        "notice": {"template": names["letter"]}}
        site.write_settings()
        site.oopsctl("reload", check=True)
        clean(site)
        for path in names.values():
            with owned(path, 0, 0o600):
                of_files(site, f"oops-milter, as user {MILTER_UID}, cannot read {path}: ")
        # what stands in the way may be far above
        with owned(folder, 0, 0o700):
            found = findings(site, 69, "fault")
            assert len(found) == 2 and all(f"mode of {folder}: " in line for line in found), found


@only("postfix")  # whose tool makes the table
def test_a_table_that_is_not_there():
    with Site(SETTINGS) as site:
        table = site.folder / "table"
        table.write_text("team@example.com ben@example.com\n", encoding="ascii")
        site.changes = {**SETTINGS, "lists": ({"table": f"hash:{table}"},)}
        site.write_settings()
        site.oopsctl("reload", check=True)
        fault(site, f'lists: table = "hash:{table}": {table}.db is not there', "postmap")
        subprocess.run(["postmap", "-c", site.mta.config_directory, f"hash:{table}"], check=True)
        clean(site)


def test_a_file_system_that_cannot_be_written_to():
    with Site(SETTINGS) as site:
        state = str(site.folder / "state")
        subprocess.run(["mount", "--bind", state, state], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", state], check=True)
            found = [line for line in findings(site, 69, "fault") if ": files: " in line]
            assert len(found) == 2 and all(
                "Read-only file system; change: mount the file system" in line
                for line in found), found
        finally:
            subprocess.run(["umount", "-l", state], check=True)


def test_the_user_of_the_settings_where_nothing_runs():
    with Site(SETTINGS) as site:
        milter_is_away(site)
        site.end("oops-milter")
        with owned(site.folder / "secret.key", 0, 0o600):
            found = findings(site, 69, "fault")
            assert any(f"oops-milter, as user {MILTER_UID}, cannot read" in line
                       for line in found), found
        site.changes = {**SETTINGS, "user": "no-such-user"}
        site.write_settings()
        found = findings(site, 69, "fault")
        assert any('files: oops-milter: user = "no-such-user": there is no such user' in line
                   for line in found), found
        site.changes = SETTINGS
        site.write_settings()
        site.run("oops-milter")
        site.oopsctl("reload", check=True)
        clean(site)


@contextlib.contextmanager
def small_disk(site):
    """The state directory on a disk of its own."""
    state, kept = site.folder / "state", site.folder / "kept"
    for name in ("oops-web", "oops-milter"):
        site.end(name)
    os.rename(state, kept)
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=80m,uid={MILTER_UID},gid={HOLDS_GID},"
                    "mode=710", "tmpfs", state], check=True)
    subprocess.run(["cp", "-a", f"{kept}/.", state], check=True)
    for name in ("oops-milter", "oops-web"):
        site.run(name)
    try:
        yield state / "ballast"
    finally:
        for name in ("oops-web", "oops-milter"):
            if name in site.running:
                site.end(name)
        subprocess.run(["umount", "-l", state], check=True)


def test_a_full_disk():
    with Site(SETTINGS) as site:
        milter_is_away(site)
        with small_disk(site) as ballast:
            clean(site)
            with open(ballast, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, 40 << 20)
            found = findings(site, 0, "warning")
            assert len(found) == 1 and found[0].startswith("warning: disk: "), found
            with contextlib.suppress(OSError), open(ballast, "ab", buffering=0) as file:
                while file.write(b"x" * 65536):
                    pass
            of_files(site, f"cannot put another 4 MiB into {site.folder}/state: No space left")
            ballast.unlink()
            clean(site)


def damage(path):
    """A page of a database that is no page any more."""
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)


def test_a_database_that_is_none():
    with Site(SETTINGS) as site:
        story.teach(site)
        _, queue_id = story.slip(site, story.announce(site))
        until(lambda: " held " in site.oopsctl("list").stdout, 10, "the keeper saw it")
        milter_is_away(site)
        site.allow("adopted: |left alone: ")
        site.end("oops-web")
        site.end("oops-milter")
        holds, memory = (site.folder / "state" / name for name in ("holds/holds.db", "memory.db"))
        for path, words in ((holds, "then run oopsctl adopt"),
                            (memory, "the history begins anew")):
            for spoil in (damage, lambda one: one.write_bytes(b"nonsense" * 1000)):
                shutil.copy2(path, str(path) + ".kept")
                spoil(path)
                found = [line for line in findings(site, 69, "fault")
                         if line.startswith("fault: store: ")]
                assert len(found) == 1 and str(path) in found[0] and words in found[0], found
                assert "move the file" in found[0] and "oopsctl init" not in found[0]
                os.replace(str(path) + ".kept", path)
        # what the line says, done
        for path in holds.parent.glob("holds.db*"):
            path.rename(site.folder / path.name)
        site._give_away()
        site.run("oops-milter")
        site.run("oops-web")
        site.oopsctl("adopt", check=True)  # unless the start was faster
        until(lambda: " held " in site.oopsctl("list").stdout, 20, "it is in care again")
        assert queue_id in site.oopsctl("show", story.hold_of(site, queue_id)).stdout
        clean(site)


def test_who_is_not_root_is_told_what_was_not_looked_at():
    with Site(SETTINGS) as site:
        shutil.copy2(site.build / "oopsctl", site.folder / "bin")
        done = subprocess.run([site.folder / "bin" / "oopsctl", "-c", site.conf, "check"],
                              capture_output=True, text=True, check=False, user=WEB_UID,
                              group=WEB_UID, extra_groups=[HOLDS_GID])
        assert "files: whether oops-milter can use its files is not known: only root" \
            in done.stdout, done.stdout
        assert f"ok: files: oops-web, as user {WEB_UID}, can do" in done.stdout

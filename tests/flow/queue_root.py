"""What of oops-queued is root, and how little the rest may do."""

import pathlib
import pwd
import shutil
import signal
import subprocess

from lab.mail import until
from lab.site import Site, libconfig, merge, only
from queue_verbs import ID_A, QueueSite

# Capabilities over the files of others: CHOWN, DAC_OVERRIDE, FOWNER.
FILES = 1 << 0 | 1 << 1 | 1 << 3


class RootSite(Site):
    """The MTA and oops-queued alone."""

    def __init__(self):
        super().__init__(programs=("oops-queued",), mta={"hold_fields": ("X-Hold",)})


def status(pid):
    """What the kernel says of a process: key -> value."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {key: value.strip() for key, _, value in
            (line.partition(":") for line in text.splitlines())}


def children(pid):
    return [int(child) for child in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def worker(site):
    """The process that answers: the one with a filter of its own, besides the one of all. What
    listens is there a moment before."""
    return until(lambda: [one for one in children(site.running["oops-queued"].pid)
                          if status(one).get("Seccomp_filters") == "2"], 20)[0]


def test_who_answers_has_no_rights_that_it_does_not_need():
    with RootSite() as site:
        seen = status(worker(site))
        assert seen["NoNewPrivs"] == "1"
        if site.kind == "sendmail":
            assert int(seen["CapEff"], 16) == int(seen["CapPrm"], 16) == FILES
        else:
            uid = str(pwd.getpwnam("postfix").pw_uid)
            assert seen["Uid"].split() == [uid] * 4 and seen["Groups"] == ""
            assert int(seen["CapEff"], 16) == int(seen["CapPrm"], 16) == 0


@only("postfix")
def test_only_who_runs_what_needs_root_is_root():
    with RootSite() as site:
        assert worker(site)
        owned = children(site.running["oops-queued"].pid)
        assert len(owned) == 2
        for one in owned:
            assert "0" not in status(one)["Uid"].split()
            assert int(status(one)["CapEff"], 16) == 0 and status(one)["NoNewPrivs"] == "1"


def can_trace(pid):
    """Does a process have CAP_SYS_PTRACE, or may it get it by a program?"""
    return any(int(status(pid)[key], 16) & 1 << 19 for key in ("CapPrm", "CapBnd"))


def test_what_runs_the_tools_has_what_they_need():
    """The first process: a filter, and no capability over the machine; yet it stays root."""
    with RootSite() as site:
        first = site.running["oops-queued"].pid
        seen = status(first)
        assert seen["Seccomp"] == "2" and seen["Uid"].split() == ["0"] * 4
        assert int(seen["CapEff"], 16) & FILES == FILES
        assert can_trace("self") and not can_trace(first)


@only("sendmail")
def test_a_queue_that_came_later_is_not_touched():
    """The worker keeps to the folder that was there at the start, whoever puts another there."""
    with QueueSite() as site:
        site.allow("not the one that was there")
        (queue_id, _), = site.hold(ID_A)
        spool = pathlib.Path(site.mta.folder, "spool")
        away = spool.with_name("away")
        spool.rename(away)
        shutil.copytree(away, spool)
        assert site.ask("STATUS", (queue_id, ID_A)) == {queue_id: "FAILED"}
        assert site.ask("RELEASE", (queue_id, ID_A)) == {queue_id: "FAILED"}
        assert [line for line in site.log("oops-queued") if "not the one that was there" in line]
        shutil.rmtree(spool)
        away.rename(spool)
        assert site.ask("STATUS", (queue_id, ID_A)) == {queue_id: "HELD"}


def test_all_of_it_ends_together():
    with RootSite() as site:
        for by in (signal.SIGTERM, signal.SIGKILL):
            parts = children(site.running["oops-queued"].pid)
            code = site.end("oops-queued", by)
            assert code == (0 if by == signal.SIGTERM else -signal.SIGKILL)
            until(lambda p=parts: not any(pathlib.Path(f"/proc/{one}").exists() for one in p), 10)
            site.run("oops-queued")


def test_it_is_told_when_who_answers_dies():
    with RootSite() as site:
        site.allow("the process that answers died")
        process = site.running["oops-queued"]
        subprocess.run(["kill", "-KILL", str(worker(site))], check=True)
        assert process.wait(30) == 69
        del site.running["oops-queued"]


def test_settings_are_read_without_root():
    """The file is root's alone; who reads it cannot read another."""
    with RootSite() as site:
        conf = site.folder / "other.conf"
        secret = site.folder / "secret.conf"
        secret.write_text("node = 1;\n", encoding="ascii")
        secret.chmod(0o600)
        text = libconfig(merge(site.settings(), site.changes))
        conf.write_text(text, encoding="utf-8")
        conf.chmod(0o600)
        program = site.folder / "bin" / "oops-queued"

        def check():
            return subprocess.run([program, "-t", "-c", conf], text=True, capture_output=True,
                                  timeout=60, check=False)
        assert check().returncode == 0
        conf.write_text(text + "nonsense = 3;\n", encoding="utf-8")
        done = check()
        line = len(text.splitlines()) + 1
        assert done.returncode == 78 and f"{conf}:{line}: nonsense" in done.stderr, done.stderr
        conf.write_text(f'{text}@include "{secret}"\n', encoding="utf-8")
        done = check()
        assert done.returncode == 78 and "cannot open include file" in done.stderr, done.stderr

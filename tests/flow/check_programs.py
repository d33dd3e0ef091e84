"""oopsctl check: which programs run, as whom, by which settings; and what a monitor is told."""
import os
import pathlib
import shutil
import signal
import subprocess

from check import clean, fault, findings, look, milter_is_away, warning
from lab import story
from lab.mail import until
from lab.site import HOLDS_GID, MILTER_UID, Site, only
from lab.story import ANNA

SETTINGS = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                       {"action": "pass"})}


def monitor(site, code, start, *arguments):
    """One line on standard output, nothing on standard error, whatever there is to say."""
    done = site.oopsctl(*arguments, "check", "--monitor")
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}{done.stderr}"
    assert done.stdout.count("\n") == 1 and done.stdout.endswith("\n"), done.stdout
    assert done.stderr == "", done.stderr
    assert done.stdout.startswith("OOPS-MILTER " + start), done.stdout


def test_monitor_mode_holds_nothing():
    with Site(SETTINGS) as site:
        site.changes = {**SETTINGS, "monitor": True}
        site.write_settings()
        site.oopsctl("reload", check=True)
        warning(site, "monitor = true: nothing is held", "monitor = false;")
        site.changes = {"policy": ({"action": "tag", "threshold": 0.5},)}
        site.write_settings()
        site.oopsctl("reload", check=True)
        clean(site)  # behind these the built-in rule holds
        site.changes = SETTINGS
        site.write_settings()
        site.oopsctl("reload", check=True)
        clean(site)


def test_an_older_program_still_runs():
    with Site(SETTINGS) as site:
        for name in ("oops-milter", "oops-web", "oops-queued"):
            program = site.folder / "bin" / name
            fresh = program.with_name(name + ".new")
            shutil.copy2(program, fresh)
            os.rename(fresh, program)  # as dpkg does
            warning(site, f"{name}: {program} was replaced after it was started", f"restart {name}")
            milter_is_away(site)
            site.end(name)
            site.run(name)
            clean(site)


def test_a_program_that_runs_as_somebody_else():
    with Site(SETTINGS) as site:
        milter_is_away(site)
        site.allow("new settings are refused|needs a restart")
        site.end("oops-milter")
        site.changes = {**SETTINGS, "user": "daemon"}
        site.write_settings()
        site.run("oops-milter")
        site.oopsctl("reload")
        found = findings(site, 0, "warning")
        assert any(f'oops-milter: runs as user {MILTER_UID}, and user = "daemon"' in line
                   for line in found), found
        site.end("oops-milter")
        # in a namespace of its own it is somebody, and root for everybody else
        ours = [site.folder / "secret.key", site.folder / "run", site.folder / "state",
                *(site.folder / "state").rglob("*")]
        owners = {path: os.stat(path) for path in ours}
        for path in ours:
            os.chown(path, 0, 0)
        with open(site.log_path("oops-milter"), "ab") as log:
            site.running["oops-milter"] = subprocess.Popen(
                ["unshare", "--user", f"--map-user={MILTER_UID}", "--",
                 site.folder / "bin" / "oops-milter", "-c", site.conf, "-f"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        until(lambda: site.ready("oops-milter"), 20, "oops-milter listens")
        found = findings(site, 69, "fault")
        assert any("oops-milter: runs as root (process " in line for line in found), found
        site.allow("oops-queued|not for us|cannot|Permission denied")
        site.end("oops-milter")
        for path, status in owners.items():
            os.chown(path, status.st_uid, status.st_gid)
            os.chmod(path, status.st_mode & 0o7777)
        site.changes = SETTINGS
        site.write_settings()
        site._give_away()
        site.run("oops-milter")
        site.oopsctl("reload", check=True)
        clean(site)


def test_a_run_file_of_root():
    with Site(SETTINGS) as site:
        milter_is_away(site)
        site.allow("oopsctl reload will not find this program")
        site.end("oops-milter")
        file = site.folder / "state" / "oops-milter.run"
        os.chown(file, 0, 0)
        os.chmod(file, 0o600)
        site.run("oops-milter")
        found = look(site, 69)
        assert any("oopsctl reload does not find it" in line and str(file) in line
                   for line in found), found
        assert any(line.startswith("fault: files: ") and str(file) in line for line in found)
        # its process is found all the same, by its socket
        assert any(f"ok: oops-milter: process {site.running['oops-milter'].pid}, " in line
                   for line in found), found
        site.end("oops-milter")
        os.chown(file, MILTER_UID, MILTER_UID)
        site.run("oops-milter")
        clean(site)


def test_settings_of_another_file():
    with Site(SETTINGS) as site:
        other = site.folder / "other.conf"
        shutil.copy2(site.conf, other)
        done = site.oopsctl("-c", other, "reload")
        assert done.returncode == 69, done
        assert f"oops-milter: runs by {site.conf}, not by {other}: it was not asked" in done.stderr
        assert "in force" not in done.stdout
        assert not site.audit("config"), "nobody was asked"
        done = site.oopsctl("-c", other, "check")
        for name in ("oops-milter", "oops-web", "oops-queued"):
            assert f"fault: {name}: runs by {site.conf}, not by {other}" in done.stdout, done.stdout
        assert done.returncode == 69
        # another name of the same file is the same file
        link = site.folder / "link.conf"
        link.symlink_to(site.conf)
        assert "in force" in site.oopsctl("-c", link, "reload", check=True).stdout
        clean(site)


def test_files_that_settings_name_and_that_changed():
    with Site(SETTINGS) as site:
        letter = site.folder / "letter"
        letter.write_text("", encoding="ascii")
        site.changes = {**SETTINGS, "notice": {"template": str(letter)}}
        site.write_settings()
        site.oopsctl("reload", check=True)
        clean(site)
        letter.write_text("\n", encoding="ascii")
        found = findings(site, 0, "warning")
        assert len(found) == 2 and all(f"before {letter} was changed" in one for one in found)
        site.oopsctl("reload", check=True)
        os.utime(site.folder / "secret.key")
        warning(site, f"before {site.folder}/secret.key was changed")
        site.oopsctl("reload", check=True)
        clean(site)


@only("postfix")  # by whose settings it changes
def test_one_line_for_a_monitoring_system():
    with Site(SETTINGS) as site:
        monitor(site, 0, "OK: 0 faults, 0 warnings\n")
        site.postfix.configure(long_queue_ids="no")
        monitor(site, 1, "WARNING: 0 faults, 1 warning: postfix: queue ids are short")
        # postconf itself has something to say
        site.postfix.extra["no_such_parameter"] = "yes"
        site.postfix.configure(long_queue_ids="yes")
        monitor(site, 0, "OK: 0 faults, 0 warnings\n")
        assert site.oopsctl("check").stderr == ""
        text = site.conf.read_text(encoding="utf-8")
        site.conf.write_text(text + "polcy = 1;\n", encoding="utf-8")
        monitor(site, 2, f"CRITICAL: settings: {site.conf}:")
        done = site.oopsctl("check")
        assert done.returncode == 78 and 'polcy' in done.stderr and done.stdout == ""
        site.conf.write_text("no { settings", encoding="utf-8")
        monitor(site, 2, f"CRITICAL: settings: {site.conf}:1: ")
        site.conf.unlink()
        monitor(site, 2, f"CRITICAL: settings: cannot open {site.conf}: No such file")
        site.conf.mkdir()
        monitor(site, 2, f"CRITICAL: settings: {site.conf} is a folder, not a regular file\n")
        for name in ("oops-milter", "oops-web", "oops-queued"):
            done = subprocess.run([site.build / name, "-c", site.conf, "-t"], check=False,
                                  capture_output=True, text=True)
            assert done.returncode == 78, done
            assert done.stderr == f"{site.conf} is a folder, not a regular file\n", done
        site.conf.rmdir()
        site.conf.write_text(text, encoding="utf-8")
        done = site.oopsctl("check", "--monitor", "--more")
        assert done.returncode == 3 and done.stderr == "", done
        assert done.stdout == "OOPS-MILTER UNKNOWN: usage: oopsctl [-c FILE] check [--monitor]\n"
        site.oopsctl("reload", check=True)
        os.chmod(site.conf, 0o600)
        shutil.copy2(site.build / "oopsctl", site.folder / "bin")
        done = subprocess.run([site.folder / "bin" / "oopsctl", "-c", site.conf, "check",
                               "--monitor"], capture_output=True, text=True, check=False,
                              user=MILTER_UID + 7, group=MILTER_UID + 7, extra_groups=[])
        assert done.returncode == 3 and done.stderr == "" and done.stdout.count("\n") == 1, done
        assert done.stdout.startswith("OOPS-MILTER UNKNOWN: settings: "), done.stdout
        os.chmod(site.conf, 0o644)


def test_a_hold_of_a_clock_that_was_ahead():
    with Site(SETTINGS) as site:
        story.teach(site)
        _, queue_id = story.slip(site, story.announce(site))
        until(lambda: " held " in site.oopsctl("list").stdout, 10, "the scheduler saw it")
        hold = story.hold_of(site, queue_id)
        site.oopsctl("send", hold, check=True)
        until(lambda: site.audit("sent", id=hold), 20, "it is sent")
        database = site.folder / "state" / "holds" / "holds.db"
        subprocess.run(["sqlite3", database, "UPDATE hold SET moved = moved + 3600000, "
                        "settled = settled + 3600000"], check=True)
        clean(site)


def test_a_helper_that_is_busy():
    with Site(SETTINGS) as site:
        pid = site.running["oops-queued"].pid
        os.killpg(pid, signal.SIGSTOP)  # all that it consists of
        try:
            found = [line for line in findings(site, 69, "fault") if ": oops-queued: " in line]
        finally:
            os.killpg(pid, signal.SIGCONT)
        assert len(found) == 1 and f"runs (process {pid}), but does not tell" in found[0], found
        assert "start oops-queued" not in found[0]
        site.allow("uid|request refused|answer not taken|SCAN")
        assert pathlib.Path(f"/proc/{pid}").exists() and HOLDS_GID
        clean(site)


@only("postfix")  # whose queue can be filled quickly
def test_thousands_on_hold():
    with Site({**SETTINGS, "confirm": {"expires": "1h"}}) as site:
        story.teach(site)
        _, queue_id = story.slip(site, story.announce(site))
        until(lambda: " held " in site.oopsctl("list").stdout, 10, "the scheduler saw it")
        site.mta.multiply(queue_id, 10000)
        done = subprocess.run([site.build / "oopsctl", "-c", site.conf, "check"], text=True,
                              capture_output=True, timeout=280, check=False)
        lines = done.stdout.splitlines()
        assert any("ok: oops-queued: answers at" in line and ", 10001 queue files" in line
                   for line in lines), lines
        assert not any("oops-queued" in line for line in lines if line[:2] != "ok"), lines
        site.allow("cannot reach oops-queued|no answer in time|oops-queued")

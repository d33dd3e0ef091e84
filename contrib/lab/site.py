"""A whole site: the programs of oops-milter, a private MTA and a receiver, wired up.

    with Site({"undo": {"window": "3s"}}) as site:
        queue_id = site.send(Message("anna@example.com", ["ben@example.org"]))
        until(lambda: site.receiver.received())

Everything runs from one temporary folder: each program in the foreground with its own user
and its log in a file. Leaving the `with` block ends all of it and fails if a program ended
badly or complained about something the test did not expect.

The MTA is a Postfix, or a Sendmail when $OOPS_MTA says so (tests/flow/run --mta).
"""
import contextlib
import os
import pathlib
import pwd
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess

from lab import mail, web
from lab.leftovers import Folder
from lab.postfix import Postfix
from lab.receiver import Receiver
from lab.sendmail import Sendmail

# Users of our own by number: no account is made. The group may enter holds/.
MILTER_UID, WEB_UID, HOLDS_GID = 64001, 64002, 64003

PROGRAMS = ("oops-queued", "oops-milter", "oops-web")

# What no test ever expects, whatever it allows.
SANITIZER = re.compile(r"runtime error:|Sanitizer")
COMPLAINT = re.compile(r": (warning|error): ")


def libconfig(value, depth=0):
    """A Python value in libconfig's syntax."""
    if isinstance(value, dict):
        inside = "".join(f"{'  ' * depth}{name} = {libconfig(one, depth + 1)};\n"
                         for name, one in value.items())
        return inside if depth == 0 else "{\n" + inside + "  " * (depth - 1) + "}"
    if isinstance(value, (list, tuple)):
        return "( " + ", ".join(libconfig(one, depth + 1) for one in value) + " )"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def merge(base, changes):
    """Settings with changes; groups are merged, everything else is replaced."""
    result = dict(base)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merge(result[name], value) if both else value
    return result


def logfmt(line):
    """The keys and values of an audit line."""
    return dict(word.split("=", 1) for word in shlex.split(line) if "=" in word)


class Site:
    """
    See above. `settings` changes what settings() says; `mta` are arguments of the MTA, `postfix`
    those that only Postfix has.
    """

    def __init__(self, settings=None, postfix=None, programs=PROGRAMS, build=None, mta=None):
        self.build = pathlib.Path(build or os.environ.get("OOPS_BUILD", "."))
        self.temporary = Folder()
        self.folder = self.temporary.path
        self.names, self.running, self.allowed = programs, {}, []
        self.receiver = Receiver()
        self.web_port = mail.free_port()
        self.conf = self.folder / "oops-milter.conf"
        self.changes, self.mta_arguments = settings or {}, dict(mta or {})
        self.kind = os.environ.get("OOPS_MTA", "postfix")
        if self.kind == "postfix":
            self.mta_arguments.update(postfix or {})
        self.mta = None

    # --- up and down --------------------------------------------------------------------

    def __enter__(self):
        try:
            return self.start()
        except BaseException as error:
            self._give_up(isinstance(error, SystemExit))
            raise

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self._give_up(issubclass(kind, SystemExit))

    def _give_up(self, was_told_to):
        """The end of a site that failed; or of one that was told to end, whose logs nobody wants."""
        self.end_everything()
        logs = "" if was_told_to else self.all_logs()
        self.temporary.remove()
        print(logs)  # at last: whoever reads may have gone

    def start(self):
        self._make_folders()
        self._take_programs()
        self.receiver.start()
        milter = f"unix:{self.folder}/run/milter.sock" if "oops-milter" in self.names else ""
        self.mta = self._make_mta([milter] if milter else [])
        self.write_settings()
        if "oops-milter" in self.names:
            self.oopsctl("init", check=True)
            self._give_away()
        self.mta.start()
        for name in self.names:
            self.run(name)
        if "oops-milter" in self.names:
            self.prove_milter()
        return self

    def stop(self):
        """The orderly end: every program must agree, and nothing unexpected be in a log."""
        # the helper last, or the scheduler would rightly complain that it is gone
        # afterwards the MTA may miss a program that has ended
        of_mta = self._unexpected(self.mta.complaints())
        codes = {name: self.end(name) for name in reversed(list(self.running))}
        self.end_everything()
        unexpected = self._unexpected(self._own_complaints()) + of_mta
        if unexpected or any(codes.values()):
            print(self.all_logs())
        self.temporary.remove()
        assert not any(codes.values()), f"exit codes {codes}"
        assert not unexpected, "unexpected in the logs: " + unexpected[0]

    def end_everything(self):
        """Ends what is still running, without asking how it went."""
        for process in self.running.values():
            process.kill()
            process.wait()
        self.running.clear()
        if self.mta:
            self.mta.stop()
        self.receiver.stop()

    @property
    def postfix(self):
        """The MTA, where only a Postfix can be meant."""
        return self.mta

    def _make_mta(self, milters):
        arguments = {"milters": milters, **self.mta_arguments}
        if self.kind == "sendmail":
            return Sendmail(self.folder / "mta", self.receiver.port, self.build, **arguments)
        return Postfix(self.folder / "mta", self.receiver.port, **arguments)

    def _make_folders(self):
        """state/ is the milter's; state/holds/ is shared with the web pages; run/ with the MTA."""
        os.chmod(self.folder, 0o755)
        # Postfix's smtpd is a user of its own; Sendmail is root when it calls a milter.
        mta_gid = pwd.getpwnam("postfix").pw_gid if self.kind == "postfix" else 0
        for name, uid, gid, mode in (
                ("mta", 0, 0, 0o755), ("log", 0, 0, 0o755),
                ("state", MILTER_UID, HOLDS_GID, 0o710),
                ("state/holds", MILTER_UID, HOLDS_GID, 0o2770),
                ("run", MILTER_UID, mta_gid, 0o2750)):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, uid, gid)
            os.chmod(self.folder / name, mode)

    def _take_programs(self):
        """The build may lie where the users of this site may not go, such as /root."""
        (self.folder / "bin").mkdir(mode=0o755)
        for name in {*self.names, "oops-milter"}:  # which reads the settings for oops-queued
            try:
                os.link(self.build / name, self.folder / "bin" / name)
            except OSError:  # another file system
                shutil.copy2(self.build / name, self.folder / "bin" / name)

    def _give_away(self):
        """What root made belongs to the users that work with it."""
        os.chown(self.folder / "secret.key", MILTER_UID, -1)
        for path in (self.folder / "state").rglob("*"):
            shared = "holds" in path.relative_to(self.folder / "state").parts
            os.chown(path, MILTER_UID, HOLDS_GID if shared else MILTER_UID)
            os.chmod(path, 0o2770 if path.is_dir() else 0o660 if shared else 0o600)

    # --- settings -----------------------------------------------------------------------

    def settings(self):
        """What this site needs to say; tests change it by name."""
        return {
            "node": "lab",
            "state_directory": f"{self.folder}/state",
            "key_file": f"{self.folder}/secret.key",
            "user": str(MILTER_UID), "group": str(HOLDS_GID),  # where root starts one
            "milter": {"socket": f"unix:{self.folder}/run/milter.sock"},
            "mta": {**self.mta.mta_settings(),
                    "queue_socket": f"{self.folder}/run/queue.sock",
                    "queue_user": str(MILTER_UID)},
            "web": {"user": str(WEB_UID), "group": str(HOLDS_GID),
                    "listen": f"127.0.0.1:{self.web_port}",
                    "base_url": f"http://127.0.0.1:{self.web_port}"},
            # a scenario has a few dozen mails, and must not need 100 before the first stop
            "judge": {"learning_site_sends": 0},
            # no test asks the real DNS
            "identity": {"local_domains": ("example.com",), "spf": False},
            "notice": {"smtp": f"smtp://127.0.0.1:{self.mta.port}",
                       "from": "oops@example.com"},
        }

    def write_settings(self):
        self.conf.write_text(libconfig(merge(self.settings(), self.changes)), encoding="utf-8")

    # --- programs -----------------------------------------------------------------------

    @staticmethod
    def rights(name):
        """Who starts a program, as subprocess says it."""
        uid, groups = {"oops-queued": (0, []), "oops-milter": (MILTER_UID, [HOLDS_GID]),
                       "oops-web": (WEB_UID, [HOLDS_GID])}[name]
        return {"user": uid, "group": uid, "extra_groups": groups}

    def run(self, name):
        """Starts one program and waits until it listens."""
        with open(self.log_path(name), "ab") as log:
            self.running[name] = subprocess.Popen(
                [self.folder / "bin" / name, "-c", self.conf, "-f"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, **self.rights(name), umask=0o007,
                start_new_session=True)  # Ctrl-C is for us, who then end them in order
        mail.until(lambda: self.ready(name), 20, f"{name} listens", every=0.01)

    def ready(self, name):
        """Does it answer? Fails at once if it has ended."""
        code = self.running[name].poll()
        assert code is None, f"{name} ended with {code}: {self.log_path(name).read_text()}"
        if name == "oops-web":
            return _connects(socket.AF_INET, ("127.0.0.1", self.web_port))
        settings = merge(self.settings(), self.changes)
        path = {"oops-queued": settings["mta"]["queue_socket"],
                "oops-milter": settings["milter"]["socket"].removeprefix("unix:")}[name]
        return _connects(socket.AF_UNIX, path)

    def end(self, name, by=signal.SIGTERM):
        """Ends one program and gives its exit code; by=SIGKILL is the power cut."""
        process = self.running.pop(name)
        if name == "oops-milter":  # its own letter may be on its way to the MTA, which misses it
            self.allow(r"connect to Milter service|local socket name \S+ unsafe")
        process.send_signal(by)
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{name} does not end") from None

    def oopsctl(self, *arguments, check=False):
        """Runs oopsctl as the admin (root) does."""
        done = subprocess.run([self.build / "oopsctl", "-c", self.conf, *arguments], text=True,
                              capture_output=True, timeout=120, check=False)
        assert not SANITIZER.search(done.stderr), done.stderr
        assert not check or done.returncode == 0, f"oopsctl {arguments}: {done.stderr}"
        return done

    # --- logs ---------------------------------------------------------------------------

    def log_path(self, name):
        return self.folder / "log" / name

    def log(self, name):
        """What a program wrote so far, line by line."""
        path = self.log_path(name)
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def audit(self, event, **wanted):
        """Audit lines of one event, oldest first, as dicts; only those with these values."""
        lines = [logfmt(line.split(": ", 1)[1]) for name in PROGRAMS for line in self.log(name)
                 if f": event={event} " in line]
        return [line for line in lines if wanted.items() <= line.items()]

    def allow(self, pattern):
        """This regular expression may be in the logs: the test provokes it."""
        self.allowed.append(re.compile(pattern))

    def _own_complaints(self):
        """Warnings and errors of our programs."""
        return [line for name in PROGRAMS for line in self.log(name)
                if COMPLAINT.search(line) or SANITIZER.search(line)]

    def _unexpected(self, lines):
        """Those that no allow() covers, and whatever a sanitizer says."""
        return [line for line in lines if SANITIZER.search(line)
                or not any(pattern.search(line) for pattern in self.allowed)]

    def all_logs(self):
        """For the one who looks for the reason of a failure; without the many deliveries."""
        parts = [(name, self.log(name)) for name in PROGRAMS]
        parts.append((self.kind, [line for line in (self.mta.log() if self.mta else [])
                                  if "status=sent" not in line]))
        return "\n".join(f"--- {name} ---\n" + "\n".join(lines[-200:])
                         for name, lines in parts)

    # --- mail ---------------------------------------------------------------------------

    def send(self, message, **arguments):
        """As a user with a login; see mail.send()."""
        return mail.send(self.mta.port, message, **arguments)

    def prove_milter(self):
        """Without this a site whose milter the MTA cannot reach would pass many tests."""
        probe = mail.Message("probe@elsewhere.example", ["probe@example.org"], headers=[
            ("Oops-Milter", "id=aaaaaaaaaaaaaaaa; action=forged")])
        self.send(probe)
        delivery = mail.until(lambda: self.receiver.received(probe.id), 20, "probe arrives")[0]
        assert delivery.header("Oops-Milter") is None, "the MTA does not reach the milter"
        mail.until(self.threads, 10, "the history begins")  # with the probe
        self.receiver.forget()

    def threads(self):
        """How many messages the history knows."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/state/memory.db?mode=ro",
                                                uri=True)) as database:
            return database.execute("SELECT count(*) FROM thread").fetchone()[0]

    def held(self):
        """Queue ids on hold."""
        return list(self.mta.queue("hold"))

    def letters(self, to, seconds=20):
        """Letters about held mail to this person; waits for the first."""
        return mail.until(lambda: [one for one in self.receiver.received(recipient=to)
                                   if one.header("Auto-Submitted") == "auto-generated"
                                   and not _brings_back(one)],
                          seconds, f"letter to {to}")

    def returned(self, to, seconds=20):
        """Letters that bring a mail back to this person; waits for the first."""
        return mail.until(lambda: [one for one in self.receiver.received(recipient=to)
                                   if _brings_back(one)], seconds, f"a mail comes back to {to}")

    def link(self, to):
        """The link in the latest letter to this person."""
        return web.link_in(self.letters(to)[-1])


def only(kind):
    """Marks a test that means something with this MTA alone."""
    def mark(test):
        test.only = kind
        return test
    return mark


def _brings_back(delivery):
    return (delivery.header("Auto-Submitted") == "auto-generated"
            and (delivery.header("Content-Type") or "").startswith("multipart/mixed"))


def _connects(family, address):
    with socket.socket(family) as probe:
        probe.settimeout(5)
        try:
            probe.connect(address)
            return True
        except OSError:
            return False

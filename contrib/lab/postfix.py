"""A Postfix of our own on loopback: own configuration, queue, data and ports.

Nothing of the host's Postfix is read or written but its programs: every command gets -c (or
-C) with our folder. Must run as root, as Postfix itself must.
"""
import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess

from lab.mail import free_port, until

MAIN_CF = """\
compatibility_level = 3.6
config_directory = {folder}/etc
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
myhostname = mx.example.com
mydomain = example.com
myorigin = example.com
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_timeout = 60s

# no local delivery: everything goes to the receiver
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:this lab has no local delivery
relayhost = [127.0.0.1]:{receiver_port}
default_transport = smtp
smtp_dns_support_level = disabled
smtp_tls_security_level = none
smtpd_tls_security_level = none
notify_classes =
biff = no

# small, for a machine that has other things to do
default_process_limit = 20
in_flow_delay = 0
max_idle = 20s

enable_long_queue_ids = {long_queue_ids}
smtpd_milters = {smtpd_milters}
non_smtpd_milters = {non_smtpd_milters}
milter_default_action = {milter_default_action}
milter_protocol = 6
"""

# Not one service is chrooted: a chrooted smtpd looks for the milter's unix socket below the
# queue directory, does not find it, and mail would flow unjudged.
MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
showq     unix n - n - - showq
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

# The folders of a queue, as `postfix check` would make them.
PRIVATE_FOLDERS = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
                   "incoming", "private", "saved", "trace")
DROP_FOLDERS = {"maildrop": 0o730, "public": 0o710}

LETTERS = "BCDFGHJKLMNPQRSTVWXYZbcdfghjkl"  # some of those that queue ids are made of


def _entries(text):
    """The entries of a master.cf, each with its further lines, by (name, type)."""
    lines = [line for line in text.splitlines(keepends=True)
             if line.strip() and not line.startswith("#")]
    found = re.findall(r"^\S.*\n(?:[ \t].*\n)*", "".join(lines), re.MULTILINE)
    return {tuple(entry.split()[:2]): entry for entry in found}


class Postfix:
    """
    start(), use .port, stop(). `milters` are endpoints: unix:PATH or inet:PORT. `extra` are
    parameters of main.cf by name; `services` is text of a master.cf, whose entries are added or
    take the place of ours: .ports has what `inet` ones other than smtp listen on. Mail with one of
    hold_fields in its header is held.
    """

    kind = "postfix"

    def __init__(self, folder, receiver_port, smtpd_milters="", non_smtpd_milters="",
                 milter_default_action="tempfail", long_queue_ids=True, extra=None,
                 milters=(), hold_fields=(), services=""):
        if milters:
            smtpd_milters = non_smtpd_milters = self._endpoints(milters)
        self.folder, self.port = str(folder), free_port()
        self.config_directory = self.folder + "/etc"
        self.settings = {
            "folder": self.folder, "receiver_port": receiver_port,
            "smtpd_milters": smtpd_milters, "non_smtpd_milters": non_smtpd_milters,
            "milter_default_action": milter_default_action,
            "long_queue_ids": "yes" if long_queue_ids else "no",
        }
        self.extra, self.hold_fields = dict(extra or {}), hold_fields
        self.services, self.ports = services, {}

    def mta_settings(self):
        """What oops-queued must know."""
        return {"config_directory": self.config_directory}

    @staticmethod
    def _endpoints(milters):
        return ", ".join(one.replace("inet:", "inet:127.0.0.1:") for one in milters)

    def configure(self, **changes):
        """Writes the configuration, with changes for the settings named in MAIN_CF."""
        self.settings.update(changes)
        main = MAIN_CF.format(**self.settings)
        # twice the same parameter would be a warning in Postfix's log
        main = "".join(line for line in main.splitlines(keepends=True)
                       if line.partition(" =")[0] not in self.extra)
        main += "".join(f"{name} = {value}\n" for name, value in self.extra.items())
        if self.hold_fields:
            main += f"header_checks = regexp:{self.folder}/etc/hold\n"
            self._write("etc/hold", f"/^({'|'.join(self.hold_fields)}):/ HOLD\n")
        self._write("etc/main.cf", main)
        self._write("etc/master.cf", self._master())

    def _master(self):
        """master.cf, with the services of the test in the place of our own."""
        entries = _entries(MASTER_CF.format(port=self.port))
        for (name, kind), entry in _entries(self.services).items():
            if kind == "inet":
                port = self.port if name == "smtp" else self.ports.setdefault(name, free_port())
                name, entry = f"127.0.0.1:{port}", entry.replace(name, f"127.0.0.1:{port}", 1)
            entries[name, kind] = entry
        return "".join(entries.values())

    def _write(self, name, text):
        path = pathlib.Path(self.folder, name)
        path.write_text(text, encoding="utf-8")
        # Postfix waits up to two seconds for a file that may still be written.
        long_ago = path.stat().st_mtime - 60
        os.utime(path, (long_ago, long_ago))

    def run(self, program, *arguments, given=None, check=True):
        """One of Postfix's commands on our configuration; its standard output."""
        done = subprocess.run([program, "-c", self.config_directory, *arguments], text=True,
                              input=given, capture_output=True, timeout=120, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{program} {arguments}: {done.stderr}")
        return done.stdout

    def start(self):
        self._make_folders()
        self.configure()
        # `postfix start` does the same after two seconds of checks and waiting for its log.
        master = self.run("postconf", "-h", "daemon_directory").strip() + "/master"
        subprocess.run([master, "-c", self.config_directory, "-w"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        until(self.is_running, 20, "Postfix starts")
        return self

    def _make_folders(self):
        owner, drop = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
        wanted = [("etc", 0, 0, 0o755), ("spool", 0, 0, 0o755), ("spool/pid", 0, 0, 0o755),
                  ("data", owner, 0, 0o700)]
        wanted += [("spool/" + name, owner, 0, 0o700) for name in PRIVATE_FOLDERS]
        wanted += [("spool/" + name, owner, drop, mode) for name, mode in DROP_FOLDERS.items()]
        for name, uid, gid, mode in wanted:
            path = f"{self.folder}/{name}"
            os.makedirs(path, exist_ok=True)
            os.chown(path, uid, gid)
            os.chmod(path, mode)

    def _master_pid(self):
        try:
            return int(pathlib.Path(self.folder, "spool/pid/master.pid").read_text("ascii"))
        except (OSError, ValueError):
            return 0

    def is_running(self):
        """A master that ended and was not waited for by its parent yet has ended."""
        try:
            status = pathlib.Path(f"/proc/{self._master_pid()}/stat").read_text("ascii")
        except OSError:
            return False
        return status.rpartition(")")[2].split()[0] != "Z"

    def stop(self):
        """Ends it; the mail that is in the queue stays there."""
        pid = self._master_pid()
        if pid and self.is_running():
            os.kill(pid, signal.SIGTERM)
            until(lambda: not self.is_running(), 20, "Postfix stops")

    def use_milters(self, *endpoints):
        """Other milters for SMTP, from the next connection on."""
        self.reload(smtpd_milters=self._endpoints(endpoints))

    def release(self, *queue_ids):
        """By hand, as an admin without us; all without a name."""
        for queue_id in queue_ids or ["ALL"]:
            self.run("postsuper", "-H", queue_id)
        for queue_id in queue_ids:
            self.run("postqueue", "-i", queue_id)
        if not queue_ids:
            self.flush()

    def flush(self):
        self.run("postqueue", "-f")

    @staticmethod
    def plain(data):
        """A mail as it must be after this MTA: the same, byte by byte."""
        return data

    def file(self, queue_id):
        """The path of a queue file, wherever it is."""
        return next(pathlib.Path(self.folder, "spool").glob(f"[hdia]*/**/{queue_id}"))

    def hold(self, queue_id):
        """Puts a deferred mail on hold, by hand."""
        self.run("postsuper", "-h", queue_id)

    def requeue(self, queue_id):
        """Hands a held mail in anew, by hand: it goes past the milters of smtpd."""
        self.run("postsuper", "-r", queue_id)

    def remove(self, queue_id):
        """Deletes a held mail, by hand."""
        self.run("postsuper", "-d", queue_id, "hold")

    def rename(self, queue_id):
        """Gives a held mail another queue id, as postsuper does after a queue was moved."""
        file, = pathlib.Path(self.folder, "spool", "hold").rglob(queue_id)
        other = queue_id[:6] + "BCDF" + queue_id[10:]
        file.rename(file.with_name(other))
        return other

    def steal(self, queue_id, other):
        """Gives the queue id of a held mail, which goes, to another one that is held."""
        self.run("postsuper", "-d", queue_id, "hold")
        file, = pathlib.Path(self.folder, "spool", "hold").rglob(other)
        file.rename(file.with_name(queue_id))

    def multiply(self, queue_id, count):
        """Copies a held mail many times, each with a queue id of its own: a crowded queue."""
        file, = pathlib.Path(self.folder, "spool", "hold").rglob(queue_id)
        for number in range(count):
            # a long id: the second, four letters of a microsecond, "z" and the inode
            letters = "".join(LETTERS[number // base % 30] for base in (27000, 900, 30, 1))
            copy = file.with_name(queue_id[:6] + letters + queue_id[10:])
            shutil.copy2(file, copy)
            os.chown(copy, file.stat().st_uid, file.stat().st_gid)

    def reload(self, **changes):
        self.configure(**changes)
        self.run("postfix", "reload")

    def queue(self, name=None):
        """Queue id -> entry of `postqueue -j`; one queue ("hold") or all."""
        entries = map(json.loads, self.run("postqueue", "-j").splitlines())
        return {entry["queue_id"]: entry for entry in entries
                if name in (None, entry["queue_name"])}

    def queued(self, queue_id):
        """In which queue it is ("hold", "deferred", ...); None when it is in none."""
        entry = self.queue().get(queue_id)
        return entry and entry["queue_name"]

    def sendmail(self, message, sender=None):
        """What a program on the host does: the sendmail command, past smtpd."""
        subprocess.run(["sendmail", "-C", self.config_directory, "-i", "-f",
                        message.sender if sender is None else sender, "--",
                        *message.recipients()],
                       input=message.text().encode(), timeout=120, check=True)

    def log(self):
        """Postfix's own log so far, line by line."""
        try:
            with open(f"{self.folder}/maillog", encoding="utf-8", errors="replace") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def complaints(self):
        """Lines of the log that tell of trouble."""
        # the clock of files lags behind the other by a tick, which can be another second
        return [line for line in self.log() if re.search(r" (warning|error|fatal|panic): ", line)
                and "file system clock is 1 seconds" not in line
                and "resetting file time stamps" not in line]

"""A Sendmail of our own on loopback: own configuration, queues, ports and system log.

Debian's packages of Sendmail and Postfix exclude each other, so Sendmail's are only unpacked,
into a folder of the build. It asks the host for a full name, logs to /dev/log and finds its
users by SASL: all of that is given in name spaces of its own, see enter().

A login is a real one (SMTP AUTH), of anybody with any password: the lab is its own saslauthd.
"""
import fcntl
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

from lab.mail import free_port, until

PACKAGES = ("sendmail-bin", "sendmail-base", "sendmail-cf")
CLIENTS = ("192.0.2.7", "192.0.2.9", "192.0.2.10")  # whose address a test may take

SENDMAIL_MC = """\
include(`{cf}/m4/cf.m4')dnl
VERSIONID(`lab')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mx.example.com')dnl
define(`QUEUE_DIR', `{folder}/spool/q*')dnl
define(`confPID_FILE', `{folder}/pid')dnl
define(`STATUS_FILE', `{folder}/statistics')dnl
define(`HELP_FILE', `')dnl
define(`ALIAS_FILE', `')dnl
define(`confCW_FILE', `')dnl
define(`confCT_FILE', `')dnl
define(`confSERVICE_SWITCH_FILE', `{folder}/etc/switch')dnl
define(`confDONT_BLAME_SENDMAIL', `groupwritabledirpathsafe')dnl
define(`confDOUBLE_BOUNCE_ADDRESS', `')dnl
define(`confTO_IDENT', `0')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confDELAY_LA', `1000')dnl
define(`confAUTH_MECHANISMS', `PLAIN')dnl
TRUST_AUTH_MECH(`PLAIN')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {receiver_port}')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port={port}')dnl
{groups}{milters}MAILER(`smtp')dnl
{rules}"""

# The sendmail command hands its mail to the daemon over SMTP, as everywhere since 8.12.
SUBMIT_MC = """\
include(`{cf}/m4/cf.m4')dnl
VERSIONID(`lab')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mx.example.com')dnl
define(`MSP_QUEUE_DIR', `{folder}/spool/client')dnl
define(`confPID_FILE', `{folder}/client.pid')dnl
define(`STATUS_FILE', `')dnl
define(`confCT_FILE', `')dnl
define(`confSERVICE_SWITCH_FILE', `{folder}/etc/switch')dnl
define(`confDONT_BLAME_SENDMAIL', `groupwritabledirpathsafe')dnl
define(`confTRUSTED_USER', `mail')dnl
define(`confRUN_AS_USER', `mail:mail')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {port}')dnl
FEATURE(`msp', `[127.0.0.1]')dnl
"""

# Holds what comes in with one of these fields; bounces that quote one have no client.
HOLD_RULES = """\
LOCAL_RULESETS
{fields}SLabHold
R$*		$: $&{{client_addr}} $| $1
R$+ $| $*	$#error $@ quarantine $: $2
"""


# --- name spaces ------------------------------------------------------------------------

def enter():
    """
    Gives this process, which has name spaces of its own (see spaces.py), what Sendmail asks the
    host for: a host name, a hosts file, a folder for /dev/log and clients' addresses.
    """
    # Sendmail takes no milter socket below a directory that everybody may write to, as /tmp is.
    os.environ["TMPDIR"] = tempfile.tempdir = "/mnt"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/mnt"], check=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="oops-lab-inside."))
    (folder / "hosts").write_text("127.0.0.1 mx.example.com mx localhost\n"
                                  + "".join(f"{address} client.example.net\n"
                                            for address in CLIENTS), encoding="ascii")
    (folder / "dev").mkdir()
    dev = folder / "dev"
    commands = [["mount", "--bind", folder / "hosts", "/etc/hosts"],
                ["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/usr/lib/sasl2"],
                ["hostname", "mx.example.com"],
                *(["ip", "address", "add", address + "/32", "dev", "lo"]
                  for address in CLIENTS),
                ["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", dev]]
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        commands.append(["touch", dev / name])
        commands.append(["mount", "--bind", "/dev/" + name, dev / name])
    commands.append(["mkdir", dev / "shm"])
    commands.append(["ln", "-s", "/proc/self/fd", dev / "fd"])
    commands.append(["mount", "--move", dev, "/dev"])
    for command in commands:
        subprocess.run(command, check=True)
    shutil.rmtree(folder, ignore_errors=True)  # what is mounted stays


# --- the program ------------------------------------------------------------------------

def unpack(build):
    """The folder with the unpacked packages; downloaded once for a build."""
    folder = pathlib.Path(build) / "sendmail-packages"
    if not folder.exists():
        work = pathlib.Path(tempfile.mkdtemp(prefix="sendmail-packages.", dir=build))
        download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES]
        if subprocess.run(download, cwd=work, capture_output=True, check=False).returncode:
            subprocess.run(["apt-get", "-q", "update"], capture_output=True, check=True)
            subprocess.run(download, cwd=work, capture_output=True, check=True)
        for package in work.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, work], check=True)
        # Who is first has done it for all.
        try:
            work.rename(folder)
        except OSError:
            shutil.rmtree(work)
    return folder


class _Log:
    """The system's log: what is written to /dev/log goes to a file, a line each."""

    def __init__(self, path):
        self.path = path
        if os.path.lexists("/dev/log"):
            os.unlink("/dev/log")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        while True:
            try:
                data = self.socket.recv(65536)
                with open(self.path, "ab") as file:
                    file.write(data.rstrip(b"\0\n") + b"\n")
            except OSError:  # it is over, and its folder may be gone
                return


class Passwords:
    """saslauthd: every name has every password."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer, peer.makefile("rb") as asked:
                for _ in range(4):  # name, password, service, realm
                    length, = struct.unpack("!H", asked.read(2))
                    asked.read(length)
                peer.sendall(struct.pack("!H", 2) + b"OK")


class Sendmail:
    """start(), use .port, stop(). `milters` are endpoints: unix:PATH or inet:PORT."""

    kind = "sendmail"

    def __init__(self, folder, receiver_port, build, milters=(), default_action="tempfail",
                 hold_fields=(), envelope_recipients=0, sample=""):
        self.folder, self.port = str(folder), free_port()
        packages = unpack(build)
        self.program = str(packages / "usr/libexec/sendmail/sendmail")
        self.cf = str(packages / "usr/share/sendmail/cf")
        self.config, self.submit = self.folder + "/etc/sendmail.cf", self.folder + "/etc/submit.cf"
        self.receiver_port, self.milters = receiver_port, list(milters)
        self.default_action, self.hold_fields = default_action, hold_fields
        self.sample = sample  # lines of a sendmail.mc, in the place of our milters
        self.envelope_recipients = envelope_recipients  # Sendmail splits what has more; 0: never
        self.daemon = self._log = self._passwords = None

    def mta_settings(self):
        """What oops-queued must know."""
        return {"kind": "sendmail", "sendmail_program": self.program,
                "sendmail_config": self.config}

    # --- configuration --------------------------------------------------------------------

    def configure(self):
        flag = {"tempfail": "F=T, ", "reject": "F=R, ", "accept": ""}[self.default_action]
        milters = "".join(
            f"INPUT_MAIL_FILTER(`milter{number}', `S={self._endpoint(endpoint)}, {flag}"
            "T=C:20s;S:30s;R:30s;E:60s')dnl\n" for number, endpoint in enumerate(self.milters))
        fields = "".join(f"H{name}: $>LabHold\n" for name in self.hold_fields)
        groups = (f"QUEUE_GROUP(`mqueue', `P={self.folder}/spool/q*, "
                  f"r={self.envelope_recipients}')dnl\n" if self.envelope_recipients else "")
        values = {"groups": groups, "cf": self.cf, "folder": self.folder, "port": self.port,
                  "milters": self.sample or milters, "receiver_port": self.receiver_port,
                  "rules": HOLD_RULES.format(fields=fields) if fields else ""}
        self._make(SENDMAIL_MC.format(**values), self.config)
        self._make(SUBMIT_MC.format(**values), self.submit)

    @staticmethod
    def _endpoint(endpoint):
        kind, _, rest = endpoint.partition(":")
        return endpoint if kind == "unix" else f"inet:{rest}@127.0.0.1"

    def _make(self, mc, cf):
        text = subprocess.run(["m4", f"-D_CF_DIR_={self.cf}/"], input=mc, capture_output=True,
                              text=True, check=True).stdout
        pathlib.Path(cf).write_text(text, encoding="utf-8")
        os.chmod(cf, 0o644)

    # --- up and down ----------------------------------------------------------------------

    def start(self):
        for name, mode in (("", 0o755), ("etc", 0o755), ("spool", 0o755), ("spool/q1", 0o700),
                           ("spool/q2", 0o700), ("spool/client", 0o770)):
            path = os.path.join(self.folder, name)
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)
        for name in ("qf", "df", "xf"):  # one queue directory of each shape
            os.makedirs(f"{self.folder}/spool/q2/{name}", mode=0o700, exist_ok=True)
        shutil.chown(f"{self.folder}/spool/client", "mail", "mail")  # FEATURE(msp) is never root
        pathlib.Path(self.folder, "etc/switch").write_text("hosts files\naliases files\n", "ascii")
        pathlib.Path("/usr/lib/sasl2/Sendmail.conf").write_text(
            f"pwcheck_method: saslauthd\nsaslauthd_path: {self.folder}/passwords\n"
            "mech_list: PLAIN\n", "ascii")
        self._log = self._log or _Log(self.folder + "/maillog")
        self._passwords = self._passwords or Passwords(self.folder + "/passwords")
        self.configure()
        self._start_daemon()
        return self

    def _start_daemon(self):
        self.daemon = subprocess.Popen([self.program, "-C", self.config, "-bD", "-q1h"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, start_new_session=True)
        until(self.is_running, 20, "Sendmail starts")

    def is_running(self):
        assert self.daemon.poll() is None, f"Sendmail ended: {self.log()}"
        # Not by a connection: for each one Sendmail calls the milter, which may not be there yet.
        listening = f"0100007F:{self.port:04X} 00000000:0000 0A"
        return listening in pathlib.Path("/proc/net/tcp").read_text("ascii")

    def stop(self):
        """Ends it; the mail that is in the queue stays there."""
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(20)
            self.daemon = None

    def use_milters(self, *endpoints):
        """Other milters, from the next connection on."""
        self.milters = list(endpoints)
        self.stop()
        self.configure()
        self._start_daemon()

    # --- the queue ------------------------------------------------------------------------

    def run(self, *arguments):
        """Sendmail with these options, on our configuration."""
        subprocess.run([self.program, "-C", self.config, *arguments], check=True, timeout=120,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def _files(self):
        return [path for path in pathlib.Path(self.folder, "spool").glob("q*/**/*f*")
                if path.is_file() and path.name[:2] in ("hf", "qf")]

    def queue(self, name=None):
        """Queue id -> in which queue it is, in Postfix's words; one of them ("hold") or all."""
        found = {path.name[2:]: self._state(path) for path in sorted(self._files(), reverse=True)}
        return {queue_id: state for queue_id, state in found.items()
                if state and name in (None, state)}

    @staticmethod
    def _state(path):
        try:
            if path.name.startswith("hf"):
                return "hold"
            with open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return "active" if b"\nN0\n" in file.read() else "deferred"  # never tried yet
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return "active"

    def queued(self, queue_id):
        return self.queue().get(queue_id)

    def release(self, *queue_ids):
        """By hand, as an admin without us; all without a name."""
        chosen = [f"-qI{queue_id}" for queue_id in queue_ids]
        self.run("-qQ", "-Q", *chosen)
        self.run(*(chosen or ["-q"]))

    def flush(self):
        self.run("-q")

    def remove(self, queue_id):
        """Deletes a held mail, by hand."""
        for letter in "hd":
            for path in pathlib.Path(self.folder, "spool").glob(f"q*/**/{letter}f{queue_id}"):
                path.unlink()

    def rename(self, queue_id):
        """Gives a held mail another queue id, as after a queue was moved by hand."""
        other = queue_id[:-6] + "999999"
        for letter in "hd":
            for path in pathlib.Path(self.folder, "spool").glob(f"q*/**/{letter}f{queue_id}"):
                path.rename(path.with_name(f"{letter}f{other}"))
        return other

    def steal(self, queue_id, other):
        """Gives the queue id of a held mail, which goes, to another one that is held."""
        for letter in "hd":
            for path in pathlib.Path(self.folder, "spool").glob(f"q*/**/{letter}f{queue_id}"):
                path.unlink()
            for path in pathlib.Path(self.folder, "spool").glob(f"q*/**/{letter}f{other}"):
                path.rename(path.with_name(f"{letter}f{queue_id}"))

    @staticmethod
    def plain(data):
        """
        A mail as it must be after this MTA, which breaks the lines of address fields anew: those
        without white space, everything else byte by byte.
        """
        head, gap, body = data.partition(b"\r\n\r\n")
        fields = re.split(rb"\r\n(?![ \t])", head)
        return b"\r\n".join(re.sub(rb"\s", b"", field)
                            if re.match(rb"(From|To|Cc):", field) else field
                            for field in fields) + gap + body

    def file(self, queue_id):
        """The path of a message's control file."""
        return next(path for path in self._files() if path.name[2:] == queue_id)

    def hold(self, queue_id):
        """Puts a deferred mail on hold, by hand."""
        self.run("-Qby hand", f"-qI{queue_id}")

    def sendmail(self, message, sender=None):
        """What a program on the host does: the sendmail command."""
        subprocess.run([self.program, "-C", self.submit, "-Ac", "-i", "-f",
                        message.sender if sender is None else sender, "--",
                        *message.recipients()],
                       input=message.text().encode(), timeout=120, check=True)

    # --- the log --------------------------------------------------------------------------

    def _logged(self, program="sendmail"):
        try:
            with open(f"{self.folder}/maillog", encoding="utf-8", errors="replace") as file:
                return [line for line in file.read().splitlines() if f" {program}[" in line]
        except FileNotFoundError:
            return []

    def log(self, program="sendmail"):
        """A program's part of the system log so far, line by line, as a syslogd writes it."""
        return [re.sub(r"^<\d+>(.{15}) ", r"\1 mx ", line) for line in self._logged(program)]

    def complaints(self):
        """Lines of the log that tell of trouble: errors and worse."""
        return [line for line in self._logged()
                if int(re.match(r"<(\d+)>", line)[1]) % 8 <= 3 or "SYSERR" in line]

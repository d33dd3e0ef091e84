"""oops-milter by itself: no MTA, no helper, only its socket and its databases."""
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess

from lab.mail import free_port, until

# A user of our own by number, if we are root: no account is made.
UID = 64001 if os.geteuid() == 0 else os.geteuid()

SETTINGS = """\
user = "{uid}";
group = "{uid}";
state_directory = "{folder}/state";
key_file = "{folder}/secret.key";
milter: {{ socket = "unix:{folder}/milter.sock"; socket_mode = "0600"; }};
mta: {{ queue_socket = "{folder}/queue.sock"; }};
web: {{ base_url = "http://127.0.0.1:{port}"; }};
identity: {{ local_domains = ( "example.com" ); trusted_networks = ( "192.0.2.0/24" );
            spf = {spf}; }};
notice: {{ smtp = "smtp://127.0.0.1:{port}"; from = "oops@example.com"; }};
judge: {{ learning_site_sends = 0; }};
policy: ( {policy} );
"""


class Alone:
    """start(), speak to .socket, stop(). `policy` is the text of the list of rules."""

    def __init__(self, folder, program, policy="", spf=False):
        self.folder, self.program = str(folder), str(program)
        self.socket = self.folder + "/milter.sock"
        self.settings = self.folder + "/oops.conf"
        self.process, self.policy, self.spf = None, policy, spf

    def write_settings(self):
        with open(self.settings, "w", encoding="utf-8") as file:
            file.write(SETTINGS.format(folder=self.folder, uid=UID, port=free_port(), policy=self.policy,
                                       spf=str(self.spf).lower()))
        key = os.open(self.folder + "/secret.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(key, secrets.token_hex(32).encode() + b"\n")
        os.close(key)

    def start(self):
        if not os.path.exists(self.settings):
            self.write_settings()
        self._give_away()
        # A sanitizer keeps freed memory back for a while, which would look like growth.
        environment = {"ASAN_OPTIONS": "quarantine_size_mb=1", **os.environ}
        with open(self.folder + "/log", "ab") as log:
            self.process = subprocess.Popen([self.folder + "/oops-milter", "-c", self.settings,
                                             "-f"], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment, user=UID, group=UID,
                                            extra_groups=[])
        until(self.is_listening, 30, f"{self.program} listens: {self.log()}")
        return self

    def _give_away(self):
        """The folder is its user's, and has the program: the build may lie where it cannot go."""
        if os.geteuid() == 0:
            for path, _, names in os.walk(self.folder):
                for one in (path, *(f"{path}/{name}" for name in names)):
                    os.chown(one, UID, UID)
        if not os.path.exists(self.folder + "/oops-milter"):
            shutil.copy2(self.program, self.folder)

    def is_listening(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.program} ended with {self.process.returncode}: "
                                 f"{self.log()}")
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    def stop(self):
        """Ends it in order; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self):
        """Ends it as a power cut does."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def log(self):
        try:
            with open(self.folder + "/log", encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def resident(self):
        """Bytes of memory that the program holds now."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def descriptors(self):
        """The files and sockets that it has open: number -> what it is."""
        folder, found = f"/proc/{self.process.pid}/fd", {}
        for number in os.listdir(folder):
            try:
                found[int(number)] = os.readlink(f"{folder}/{number}")
            except FileNotFoundError:  # closed since
                pass
        return found

    def ask(self, question, *values):
        """A question to its database of held mail."""
        with sqlite3.connect(f"file:{self.folder}/state/holds/holds.db?mode=ro",
                             uri=True) as database:
            return database.execute(question, values).fetchall()

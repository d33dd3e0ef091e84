"""A DKIM signer listed before us: what it signed still verifies after a release."""
import re
import socket
import subprocess

from lab import story, web
from lab.mail import free_port, until
from lab.site import Site, _connects
from lab.story import ANNA


class Signer:
    """opendkim in sign mode on a port of its own, with a fresh key."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()

    def __enter__(self):
        self.folder.mkdir()
        subprocess.run(["opendkim-genkey", "-b", "2048", "-d", "example.com", "-s", "lab",
                        "-D", self.folder], check=True)
        (self.folder / "conf").write_text(
            f"Domain example.com\nSelector lab\nKeyFile {self.folder}/lab.private\n"
            f"Socket inet:{self.port}@127.0.0.1\nMode s\nCanonicalization relaxed/relaxed\n"
            "RequireSafeKeys false\nInternalHosts 0.0.0.0/0\nOversignHeaders From\n",
            encoding="ascii")
        self.process = subprocess.Popen(["opendkim", "-f", "-x", self.folder / "conf"])
        until(lambda: _connects(socket.AF_INET, ("127.0.0.1", self.port)), 20, "opendkim")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def verifies(self, data):
        """Asks opendkim itself, with the public key from a file instead of DNS."""
        record = (self.folder / "lab.txt").read_text(encoding="ascii")
        value = "".join(record.split('"')[1::2])
        (self.folder / "keys").write_text(
            f"lab._domainkey.example.com {value}\n", encoding="ascii")
        (self.folder / "verify").write_text(
            f"Mode v\nTestPublicKeys {self.folder}/keys\n", encoding="ascii")
        (self.folder / "mail").write_bytes(data.replace(b"\r\n", b"\n"))
        done = subprocess.run(["opendkim", "-vv", "-x", self.folder / "verify", "-t",
                               self.folder / "mail"], capture_output=True, text=True,
                              timeout=120, check=False)
        return bool(re.search(r"verification .*succeeded", done.stdout + done.stderr))


def test_signature_survives_hold_and_release():
    with Site() as site, Signer(site.folder / "dkim") as signer:
        milter = f"unix:{site.folder}/run/milter.sock"
        site.mta.use_milters(f"inet:{signer.port}", milter)
        story.teach(site)
        message, _ = story.slip(site, story.announce(site))
        web.press(site.link(ANNA), "send")
        story.reaches(site, message)
        delivery = site.receiver.received(message.id)[0]
        assert delivery.header("DKIM-Signature") and delivery.header("Oops-Milter")
        assert signer.verifies(delivery.data)
        assert not signer.verifies(delivery.data.replace(b"left?", b"more?")), \
            "the check itself finds nothing"

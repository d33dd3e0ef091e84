"""The files of contrib/postfix and contrib/sendmail, put into an MTA as their README says.

Only paths and ports are the lab's. Whoever copies these files gets what is
tried here: a slip is held, by every way in, and `oopsctl check` finds nothing.
"""
import ctypes
import functools
import os
import pathlib
import re
import shlex
import shutil
import smtplib
import ssl
import subprocess
import tempfile

from lab import story, web
from lab.mail import Refused, Submission, until
from lab.sendmail import Passwords
from lab.site import MILTER_UID, Site, only
from lab.story import ANNA

CONTRIB = pathlib.Path(__file__).resolve().parent.parent.parent / "contrib"
SETTINGS = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                       {"action": "pass"}), "budget": {"sender_day": 10}}
SOCKET = "/run/oops-milter/milter.sock"


def sample(name):
    return (CONTRIB / name).read_text(encoding="utf-8")


def parameters(text):
    """The lines of a main.cf, by name."""
    return dict(re.findall(r"^(\w+) = (.*?)\s*(?:#.*)?$", text, re.MULTILINE))


@functools.cache
def make_users():
    """
    A user oops-milter with a group that postfix is in, as packages and `usermod -a -G` make them,
    in files that nobody but this process and its children sees.
    """
    assert ctypes.CDLL(None, use_errno=True).unshare(0x20000) == 0  # CLONE_NEWNS
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    folder = tempfile.mkdtemp(prefix="oops-lab-users.")
    for name, line in (("passwd", f"oops-milter:x:{MILTER_UID}:{MILTER_UID}::/:/usr/sbin/nologin"),
                       ("group", f"oops-milter:x:{MILTER_UID}:postfix")):
        path = pathlib.Path(folder, name)
        others = [one for one in pathlib.Path("/etc", name).read_text("utf-8").splitlines()
                  if not one.startswith("oops-milter:")]  # the machine may have installed us
        path.write_text("\n".join([*others, line, ""]), "utf-8")
        subprocess.run(["mount", "--bind", path, "/etc/" + name], check=True)
    shutil.rmtree(folder)  # what is mounted stays


def install(path, wanted):
    """Runs the README's `install -d` of this path, for another one."""
    line, = re.findall(rf"^ *(install -d .*) {wanted}$", sample("postfix/README.md"), re.MULTILINE)
    subprocess.run([*shlex.split(line), path], check=True)


def clean(site):
    done = site.oopsctl("check")
    found = [line for line in done.stdout.splitlines() if not line.startswith("ok: ")]
    assert done.returncode == 0 and not found, f"{done.stdout}{done.stderr}"


def slip(site, way, send, proof, do="undo"):
    """A slip that `send` sends is held and told; then its author clicks. Undoing teaches nothing."""
    before = len(site.held())
    message = story.announce(site, subject=f"Cake, by {way}").reply_all(ANNA, "Some left?\n")
    send(message)
    until(lambda: len(site.held()) == before + 1, 5, f"{way}: it is held")
    hold = site.audit("hold", sender=ANNA)[-1]["id"]
    assert [line["proof"] for line in site.audit("judge", id=hold)] == [proof], way
    web.press(site.link(ANNA), do)
    if do == "send":
        story.reaches(site, message)
    else:
        until(lambda: site.audit("undo", id=hold), 5, f"{way}: it is undone")


class Secure(Submission):
    """A user's mail program: TLS and a password."""

    def __init__(self, port, login, is_wrapped):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if is_wrapped:
            self.smtp = smtplib.SMTP_SSL("127.0.0.1", port, "client.example.com", timeout=120,
                                         context=context)
        else:
            self.smtp = smtplib.SMTP("127.0.0.1", port, "client.example.com", timeout=120)
            self.smtp.starttls(context=context)
        if login:
            self.smtp.login(login, "any")
        self.smtp.ehlo_or_helo_if_needed()


def certificate(site):
    """A file with a key and a certificate, as every site with logins has one."""
    chain, own = site.folder / "chain.pem", site.folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=mx.example.com", "-keyout",
                    chain, "-out", own], check=True, capture_output=True)
    chain.write_text(chain.read_text("ascii") + own.read_text("ascii"), "ascii")
    return str(chain)


def passwords_folder(site):
    """Debian 12 would look there unasked, 13 does not."""
    return f"{site.folder}/mta/etc/sasl"


def know_passwords(site):
    """Everybody has every password."""
    folder = pathlib.Path(passwords_folder(site))
    folder.mkdir()
    (folder / "smtpd.conf").write_text("pwcheck_method: saslauthd\nmech_list: PLAIN\n"
                                       f"saslauthd_path: {site.folder}/passwords\n", "ascii")
    Passwords(f"{site.folder}/passwords")


class Open(Site):
    """Nothing is chrooted, and the socket is below /run."""

    def _make_folders(self):
        super()._make_folders()
        install(self.folder / "run", "/run/oops-milter")


@only("postfix")
def test_postfix():
    make_users()
    site = Open(SETTINGS)
    main = sample("postfix/main.cf").replace(SOCKET, f"{site.folder}/run/milter.sock")
    site.mta_arguments.update(extra={"smtpd_tls_chain_files": certificate(site),
                                     "cyrus_sasl_config_path": passwords_folder(site),
                                     **parameters(main)},
                              services=sample("postfix/master.cf"))
    with site:
        clean(site)
        know_passwords(site)
        story.teach(site)
        for service, is_wrapped in (("submission", False), ("submissions", True)):
            port = site.mta.ports[service]
            with Secure(port, None, is_wrapped) as stranger:
                try:
                    stranger.send(story.Message(ANNA, ["ben@example.org"]))
                    raise AssertionError(f"{service} takes mail without a login")
                except Refused as refused:
                    assert refused.code == 554, refused
            with Secure(port, ANNA, is_wrapped) as submission:
                slip(site, service, submission.send, "login")
        slip(site, "the sendmail command", site.mta.sendmail, "local")
        slip(site, "smtp", site.send, "login", "send")


class Chrooted(Site):
    """Postfix stays in its chroot, and the socket is inside."""

    def __init__(self):
        super().__init__(SETTINGS)
        readme = sample("postfix/README.md")
        self.inside = self.folder / "mta/spool/oops-milter"
        socket, = re.findall(r'milter: { socket = "unix:/var/spool/postfix(/.*?)"; };', readme)
        self.changes = {**SETTINGS, "milter": {"socket": f"unix:{self.folder}/mta/spool{socket}"}}
        milters, = re.findall(r"^ *smtpd_milters = (\S+)", readme, re.MULTILINE)
        self.mta_arguments.update(
            extra={**parameters(sample("postfix/main.cf")), "smtpd_milters": milters},
            services="smtp inet n - y - - smtpd\ncleanup unix n - y - 0 cleanup\n")

    def run(self, name):
        if not self.inside.exists():
            install(self.inside, "/var/spool/postfix/oops-milter")
        super().run(name)


@only("postfix")
def test_postfix_in_its_chroot():
    make_users()
    with Chrooted() as site:
        clean(site)
        assert "in its chroot, can reach" in site.oopsctl("check").stdout
        assert os.stat(site.inside).st_mode & 0o7777 == 0o750
        story.teach(site)
        slip(site, "smtp", site.send, "login")
        slip(site, "the sendmail command", site.mta.sendmail, "local", "send")


@only("sendmail")
def test_sendmail():
    site = Site(SETTINGS)
    site.mta_arguments["sample"] = sample("sendmail/oops-milter.mc").replace(
        SOCKET, f"{site.folder}/run/milter.sock")
    with site:
        clean(site)
        story.teach(site)
        with Submission(587) as stranger:  # in a network of the test's own
            try:
                stranger.send(story.Message(ANNA, ["ben@example.org"]))
                raise AssertionError("587 takes mail without a login")
            except Refused as refused:
                assert refused.code == 530, refused
        with Submission(587, ANNA) as submission:
            slip(site, "submission", submission.send, "login")
        slip(site, "smtp", site.send, "login", "send")

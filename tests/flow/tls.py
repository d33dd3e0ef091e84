"""The way of our letters to a mail server: encrypted where that is asked for, or not at all."""
import pathlib
import subprocess
import tempfile

from lab import story
from lab.mail import never, until
from lab.site import Site
from lab.story import ANNA

ONLY = "postfix"


def certificate(folder):
    """A certificate of our own for 127.0.0.1, and its key."""
    key, cert = f"{folder}/key.pem", f"{folder}/cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-keyout", key, "-out", cert, "-subj", "/CN=lab",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    pathlib.Path(folder).chmod(0o755)
    return key, cert


def starttls_site(folder, **notice):
    key, cert = certificate(folder)
    return Site({"notice": {"tls": "required", **notice}}, postfix={"extra": {
        "smtpd_tls_security_level": "may", "smtpd_tls_key_file": key,
        "smtpd_tls_cert_file": cert, "smtpd_tls_loglevel": "1"}}), cert


def held(site):
    story.teach(site)
    _, queue_id = story.slip(site, story.announce(site))
    return story.hold_of(site, queue_id)


def test_encrypted_when_required():
    with tempfile.TemporaryDirectory() as folder:
        site, cert = starttls_site(folder, ca_file=f"{folder}/cert.pem")
        with site:
            held(site)
            assert site.letters(ANNA)
            assert any("TLS connection established" in line for line in site.mta.log())


def test_a_certificate_of_nobody_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        site, _ = starttls_site(folder)
        site.allow(r"letter about hold|SSL_accept|TLS|tls")
        with site:
            hold = held(site)
            until(lambda: site.audit("notice", id=hold), 20, "a letter fails")
            never(lambda: site.receiver.received(recipient=ANNA), 2, "a letter came")


def test_no_letter_in_the_clear():
    with Site({"notice": {"tls": "required"}}) as site:
        site.allow(r"letter about hold")
        hold = held(site)
        line = until(lambda: site.audit("notice", id=hold), 20, "a letter fails")[0]
        assert "SSL" in line["answer"], line
        never(lambda: site.receiver.received(recipient=ANNA), 2, "a letter came")

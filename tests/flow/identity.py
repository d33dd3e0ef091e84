"""Who is really sending: what the client's name, its address and the DNS are asked for."""
import os
import re
import tempfile
import time

from lab import story
from lab.alone import Alone
from lab.dns import Dns
from lab.mail import Message, Submission, until
from lab.milter import Milter
from lab.site import Site
from lab.story import ANNA, COLLEAGUES

NO_HELO = 0x2


def test_an_extension_is_nobody_else():
    with Site({"identity": {"recipient_delimiter": "+"}}) as site:
        story.teach(site)
        announcement = story.announce(site)
        message = announcement.reply_all(ANNA, "Dear Clara,\n")
        message.sender = "anna+phone@example.com"
        queue_id = site.send(message)
        story.hold_of(site, queue_id)
        line = site.audit("judge")[-1]
        assert line["sender"] == ANNA, line
        assert site.letters(ANNA)


def test_asks_for_the_clients_name_only_with_spf():
    """A round of its own would cost more than a record that names the client is worth."""
    program = os.path.join(os.environ["OOPS_BUILD"], "oops-milter")
    for spf, wanted in ((True, 0), (False, NO_HELO)):
        with tempfile.TemporaryDirectory() as folder:
            site = Alone(folder, program, spf=spf)
            site.start()
            try:
                with Milter(site.socket) as peer:
                    assert peer.steps & NO_HELO == wanted, f"with spf = {spf}"
                    assert peer.step("H", b"mx.example.net\0") is None, "answered"
            finally:
                site.kill()


def test_audit_tells_login_envelope_and_from_apart():
    """Anna's deputy sends for her, and the mail comes from an office's mailbox."""
    with Site() as site:
        story.teach(site)
        message = story.announce(site).reply_all(ANNA)
        site.send(message, login="deputy", sender="office@example.com")
        line = until(lambda: site.audit("judge", login="deputy"), 10, "the judgement")[0]
        found = {key: line[key]
                 for key in ("sender", "proof", "login", "person", "envelope", "from")}
        assert found == {"sender": ANNA, "proof": "login", "login": "deputy", "from": ANNA,
                         "person": "deputy@example.com", "envelope": "office@example.com"}, found
        assert site.letters("deputy@example.com"), "the letter goes to who is proved"
        assert not site.receiver.received(recipient=ANNA)


def test_wrong_account():
    """Anna writes to a colleague of hers, but sends as the shared mailbox."""
    with Site({"policy": ({"action": "tag", "threshold": 0.0, "tag_threshold": 0.0},)}) as site:
        story.teach(site)
        path = site.folder / "message.eml"
        for login, wanted in (("anna", True), ("info", False)):
            message = Message("info@example.com", COLLEAGUES[:1])
            path.write_text(message.text(), encoding="utf-8")
            told = [site.oopsctl(command, path, "--login", login, check=True).stdout
                    for command in ("explain", "policy")]
            queue_id = site.send(message, login=login)
            line = until(lambda: site.audit("judge", queue_id=queue_id), 10, "the judgement")[0]
            assert ("wrong_account:" in line["reasons"]) == wanted, line["reasons"]
            # the admin saw what the milter sees
            assert ("whom you only write to as anna@" in told[0]) == wanted, told[0]
            score = float(re.search(r"^score ([0-9.]+):", told[1], re.M)[1])
            assert abs(score - float(line["score"])) < 0.01, (line, told)
            time.sleep(story.LEARNED_SECONDS)


def test_an_international_domain_in_the_settings():
    """Written as people read it; mail names it as the DNS knows it."""
    settings = {"identity": {"local_domains": ("example.com", "bücher.example")},
                "policy": ({"match": {"sender": "Anna@bücher.example"}, "action": "tag",
                            "threshold": 0.0, "tag_threshold": 0.0}, {"action": "pass"})}
    with Site(settings) as site:
        queue_id = site.send(Message("anna@xn--bcher-kva.example", COLLEAGUES[:1]))
        line = until(lambda: site.audit("judge", queue_id=queue_id), 10, "the judgement")[0]
        assert (line["sender"], line["policy"]) == ("anna@xn--bcher-kva.example", "rule 1"), line


CLOUD, STRANGER = "192.0.2.9", "192.0.2.10"
RECORDS = {("example.com", "TXT"): ["v=spf1 include:spf.cloud.example -all"],
           ("spf.cloud.example", "TXT"): ["v=spf1 ip4:192.0.2.9 -all"]}
OPEN = {"extra": {"smtpd_relay_restrictions": "check_client_access static:OK, reject"}}


def spf_site(**identity):
    """A site that takes mail from everywhere, and asks for SPF."""
    return Site({"identity": {"spf": True, **identity}}, postfix=OPEN)


def by(site, client, message, **envelope):
    """Sends it from a client's address, without a login; the queue id."""
    with Submission(site.mta.port, address=client) as submission:
        return submission.send(message, **envelope)


def test_spf():
    """A cloud service sends for Anna: it is tagged. Whoever else claims to be her is not."""
    dns = Dns(RECORDS)
    dns.take_over()
    with spf_site(spf_timeout="2s", spf_cache="0s") as site:
        story.teach(site)
        announcement = story.announce(site)
        message = announcement.reply_all(ANNA)
        queue_id = by(site, CLOUD, message, sender="bounce@example.com")
        line = until(lambda: site.audit("judge", queue_id=queue_id), 10, "the judgement")[0]
        assert (line["sender"], line["proof"], line["login"]) == (ANNA, "spf", "-"), line
        assert (line["wanted"], line["action"], line["softened_by"]) == ("confirm", "tag", "spf")
        story.reaches(site, message)
        assert ("example.com", 99) not in dns.asked, "type SPF is given up"
        site.receiver.forget()

        forged = announcement.reply_all(ANNA)
        stranger = by(site, STRANGER, forged)
        story.reaches(site, forged)
        assert not site.audit("judge", queue_id=stranger), "a stranger's mail was judged as Anna's"

        # nobody answers: not proved, and the mail goes on when the time is over
        dns.mute = True
        unanswered = announcement.reply_all(ANNA)
        begin = time.monotonic()
        unproved = by(site, CLOUD, unanswered)
        assert time.monotonic() - begin < 15, "the DNS held the mail up"
        assert None in dns.asked, "nobody was asked"
        story.reaches(site, unanswered)
        assert not site.audit("judge", queue_id=unproved) and not site.audit("hold")
        assert not site.receiver.received(recipient=ANNA), "a domain is proved, and no person"

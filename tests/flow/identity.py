"""Who is really sending: what the client's name, its address and the DNS are asked for."""
import os
import tempfile

from lab import story
from lab.alone import Alone
from lab.mail import Message, until
from lab.milter import Milter
from lab.site import Site
from lab.story import ANNA, COLLEAGUES

NO_HELO = 0x2


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
        found = {key: line[key] for key in ("sender", "proof", "login", "envelope", "from")}
        assert found == {"sender": ANNA, "proof": "login", "login": "deputy", "from": ANNA,
                         "envelope": "office@example.com"}, found
        assert site.letters(ANNA), "the letter goes to the address that is sent as"


def test_wrong_account():
    """Anna writes to a colleague of hers, but sends as the shared mailbox."""
    with Site({"policy": ({"action": "tag", "threshold": 0.0, "tag_threshold": 0.0},)}) as site:
        story.teach(site)
        for login, wanted in (("anna", True), ("info", False)):
            message = Message("info@example.com", COLLEAGUES[:1])
            queue_id = site.send(message, login=login)
            line = until(lambda: site.audit("judge", queue_id=queue_id), 10, "the judgement")[0]
            assert ("wrong_account:" in line["reasons"]) == wanted, line["reasons"]

"""Who is really sending: what the client's name, its address and the DNS are asked for."""
import os
import tempfile

from lab.alone import Alone
from lab.milter import Milter

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

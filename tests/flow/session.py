"""How oops-milter speaks to an MTA, seen from the MTA's end of the socket.

What a real MTA does with the answers is in the other scenarios; here are the promises
about the protocol, strangers' bytes, and limits.
"""
import ctypes
import functools
import os
import random
import re
import signal
import struct
import subprocess
import tempfile
import time

from lab.alone import Alone
from lab.mail import Message, until
from lab.milter import Milter, fields_of

# What is done depends on the sender; whether it is, on odd() and ordinary().
POLICY = """
  { match: { sender = "tag@example.com"; }; action = "tag"; threshold = 0.3; },
  { match: { sender = "undo@example.com"; }; action = "undo"; threshold = 0.3; },
  { match: { sender = "strict@example.com"; }; action = "confirm"; threshold = 0.3;
    on_error = "tempfail"; },
  { action = "confirm"; threshold = 0.3; tag_threshold = 2.0; }
"""
PEOPLE = [f"person{number}@example.com" for number in range(30)]

NO_HELO, NO_UNKNOWN, NO_DATA, LEADING_SPACE = 0x2, 0x100, 0x200, 0x100000
SILENT = 0x1000 | 0x4000 | 0x8000 | 0x80 | 0x80000  # connect, sender, recipient, field, body
ADD, CHANGE, QUARANTINE, SYMBOLS = 0x1, 0x10, 0x20, 0x100


def ordinary(sender="anna@example.com", **more):
    return Message(sender, ["bert@example.com"], **more)


def alone(test):
    """The test gets an oops-milter of its own, which must end in order."""
    @functools.wraps(test)
    def run():
        with tempfile.TemporaryDirectory() as folder:
            site = Alone(folder, os.path.join(os.environ["OOPS_BUILD"], "oops-milter"), POLICY)
            try:
                test(site.start())
                expect(site.stop(), 0, "exit code")
                assert "Sanitizer" not in site.log() and "runtime error" not in site.log()
            except BaseException:
                print(site.log())
                raise
            finally:
                site.kill()
    return run


def knows(*senders):
    """The test's oops-milter has seen enough of these people to know what is usual for them."""
    def decorate(test):
        @functools.wraps(test)
        def run(site):
            with Milter(site.socket) as peer:
                peer.connect()
                for sender in senders * 12:
                    expect(peer.mail(ordinary(sender), login=sender)[0], "a")
            expect(site.stop(), 0, "exit code")  # all that it learned is written then
            test(site.start())
        return run
    return decorate


def odd(sender="hold@example.com", **more):
    """To thirty people whom nobody here ever wrote to."""
    return Message(sender, PEOPLE, **more)


def expect(found, wanted, what=""):
    assert found == wanted, f"{what}: found {found!r}, not {wanted!r}"


@alone
def test_negotiates_silence(site):
    with Milter(site.socket) as peer:
        expect(peer.steps & SILENT, SILENT, "steps that need no answer")
        expect(peer.steps & (NO_HELO | NO_UNKNOWN | NO_DATA), NO_HELO | NO_UNKNOWN | NO_DATA)
        assert peer.steps & LEADING_SPACE, "values keep their leading space"
        expect(peer.steps & 0x40000, 0, "the end of the header is answered")
        expect(peer.actions, ADD | CHANGE | QUARANTINE | SYMBOLS, "actions")
        expect(peer.symbols, {0: "v", 2: "{auth_authen} {mail_addr}", 6: "i", 5: "i"}, "macros")


@alone
def test_takes_what_an_old_mta_offers(site):
    with Milter(site.socket, actions=0x3F, steps=0x7F) as peer:
        peer.connect()
        expect(peer.step("H", b"client\0"), None, "not even asked for")
        expect(peer.step("M", b"<hold@example.com>\0"), "c", "answered, as it must be")
        expect(peer.step("R", b"<bert@example.com>\0"), "c")
        expect(peer.field("From", "hold@example.com"), "c")
        expect(peer.header([("Subject", "x")]), "a", "no login, no proof, no judgement")


@alone
def test_accepts_ordinary_mail_at_the_end_of_its_header(site):
    with Milter(site.socket) as peer:
        peer.connect()
        for _ in range(3):
            expect(peer.mail(ordinary(), login="anna"), ("a", "N"))


@alone
@knows("hold@example.com")
def test_accepts_what_nobody_proved(site):
    with Milter(site.socket) as peer:
        peer.connect(address="198.51.100.7", port=40000)
        expect(peer.mail(odd()), ("a", "N"), "no login")
    with Milter(site.socket) as peer:
        peer.connect(host="localhost", address="127.0.0.1", port=40000)
        expect(peer.mail(odd()), ("a", "N"), "SMTP from the host itself")


@alone
@knows("hold@example.com")
def test_knows_the_sendmail_command(site):
    with Milter(site.socket) as peer:
        peer.connect(host="localhost", address="127.0.0.1", port=0)
        expect(peer.mail(odd(), queue_id="4LOCAL"), ("a", "E"))
        assert peer.quarantined(), "held"


@alone
@knows("hold@example.com")
def test_does_not_judge_what_machines_send(site):
    for name, value in (("Auto-Submitted", "auto-generated"), ("List-Id", "<a.example.com>"),
                        ("Content-Type", "multipart/report; boundary=x")):
        with Milter(site.socket) as peer:
            peer.connect()
            message = odd(headers=[(name, value)])
            expect(peer.mail(message, login="hold"), ("a", "N"), name)


@alone
def test_removes_forged_marks(site):
    forged = [("Oops-Milter", "id=aaaaaaaaaaaaaaaa; action=confirm"), ("X-Other", "stays"),
              ("OOPS-MILTER", "id=bbbbbbbbbbbbbbbb; action=confirm"),
              ("oops-milter", "x"), ("Oops-Milter-Inject", "v1 1795424446 AAAA")]
    wanted = [("Oops-Milter", 3), ("Oops-Milter", 2), ("Oops-Milter", 1),
              ("Oops-Milter-Inject", 1)]
    for sender, login in (("anna@example.com", "anna"), ("stranger@example.net", None)):
        with Milter(site.socket) as peer:
            peer.connect(address="198.51.100.7")
            expect(peer.mail(ordinary(sender, headers=forged), login), ("a", "E"))
            expect(peer.removed(), wanted, sender)
            expect(peer.added(), [])
            expect(peer.quarantined(), None)


@alone
@knows("hold@example.com")
def test_leaves_no_forged_mark(site):
    """As many as there are go, or the mail does: the first one left would be believed."""
    for name in ("Oops-Milter", "Oops-Milter-Inject"):
        for count, wanted in ((1000, "a"), (1001, "y")):
            with Milter(site.socket) as peer:
                peer.connect()
                forged = [(name, "id=aaaaaaaaaaaaaaaa; action=confirm")] * count
                code, stage = peer.mail(odd(headers=forged), login="hold")
                expect((code, stage), (wanted, "E"), f"{count} {name}")
                removed = [(name, number) for number in range(1000, 0, -1)]
                expect(peer.removed(), removed if wanted == "a" else [], f"{count} {name}")


@alone
@knows("hold@example.com")
def test_recognises_its_own_letters(site):
    """Such a letter is not judged, whoever it seems to be from, and leaves without the proof."""
    program = os.path.join(os.environ["OOPS_BUILD"], "tests/flow/inject")
    message = odd()
    proof = subprocess.run([program, site.folder + "/secret.key", message.id.strip("<>"),
                            PEOPLE[0]], capture_output=True, text=True, check=True).stdout.strip()
    cases = (("ours", proof, PEOPLE[:1], False),
             ("to others as well", proof, PEOPLE, True),
             ("to others", proof, PEOPLE[1:], True),
             ("not the proof", proof[:-1] + ("A" if proof[-1] != "A" else "B"), PEOPLE, True))
    for what, value, recipients, is_held in cases:
        message.headers = [("Oops-Milter-Inject", value)]
        with Milter(site.socket) as peer:
            peer.connect()
            peer.envelope(message.sender, recipients, "hold")
            expect(peer.header(fields_of(message)), "c", what)
            expect(peer.body(b"hello"), "a", what)
            expect(peer.removed(), [("Oops-Milter-Inject", 1)], what)
            expect(peer.quarantined() is not None, is_held, what)


@alone
@knows("tag@example.com")
def test_tags(site):
    with Milter(site.socket) as peer:
        peer.connect()
        expect(peer.mail(odd("tag@example.com"), login="tag"), ("a", "E"))
        (name, value), = peer.added()
        expect(name, "Oops-Milter")
        assert value.strip() and f"event=judge {value.split(';')[0].strip()} " in site.log()
        assert re.fullmatch(r" id=[a-z2-7]{16}; action=tag", value), value
        expect(peer.quarantined(), None)


def hold(site, peer, sender, queue_id, **more):
    """One mail that must be held: the hold's id."""
    expect(peer.mail(odd(sender, **more), login=sender.split("@")[0], queue_id=queue_id),
           ("a", "E"))
    expect([command for command, _ in peer.changes][-2:], ["h", "q"], "tag first, then hold")
    (name, value), = peer.added()
    expect(name, "Oops-Milter")
    assert value.startswith(" id="), value
    held = value.split("=")[1].split(";")[0]
    assert held in peer.quarantined() and len(peer.quarantined()) <= 100, peer.quarantined()
    return held


@alone
@knows("hold@example.com", "undo@example.com")
def test_holds_after_the_row_is_there(site):
    with Milter(site.socket) as peer:
        peer.connect()
        for sender in ("hold@example.com", "undo@example.com"):
            held = hold(site, peer, sender, "4TEST" + sender[0],
                        headers=[("Oops-Milter", "id=aaaaaaaaaaaaaaaa; action=confirm")])
            expect(peer.removed(), [("Oops-Milter", 1)], "the forged one is gone")
            rows = site.ask("SELECT sender, recipients FROM hold WHERE id = ?", held)
            expect([row[0] for row in rows], [sender])


@alone
@knows("hold@example.com")
def test_names_no_blind_recipient(site):
    with Milter(site.socket) as peer:
        peer.connect()
        held = hold(site, peer, "hold@example.com", "4BLIND", bcc=["secret@example.com"])
        for row in site.ask("SELECT * FROM hold WHERE id = ?", held):
            assert not any("secret" in str(value) for value in row), row
            assert any(PEOPLE[0] in str(value) for value in row), row


@alone
@knows("hold@example.com")
def test_joins_the_parts_of_one_act(site):
    message = odd()
    ids = set()
    for part in range(3):
        with Milter(site.socket) as peer:
            peer.connect()
            expect(peer.mail(message, login="hold", queue_id=f"4PART{part}"), ("a", "E"))
            assert peer.quarantined(), part
            ids.add(peer.added()[0][1].split(";")[0])
    expect(len(ids), 1, "one hold for three transactions")


@alone
@knows("hold@example.com", "strict@example.com")
def test_says_error_when_no_queue_id_is_known(site):
    for sender, answer in (("hold@example.com", "a"), ("strict@example.com", "t")):
        with Milter(site.socket) as peer:
            peer.connect()
            message = odd(sender)
            peer.envelope(sender, message.recipients(), sender.split("@")[0])
            for name, value in fields_of(message):
                peer.field(name, value)
            expect(peer.step("N"), "c")
            expect(peer.step("E"), answer, sender)
            expect(peer.quarantined(), None)
    assert "event=error" in site.log() and "queue id" in site.log(), "audited"


@alone
@knows("hold@example.com")
def test_forgets_what_was_aborted(site):
    with Milter(site.socket) as peer:
        peer.connect()
        peer.envelope("hold@example.com", PEOPLE, "hold")
        peer.abort()
        expect(peer.mail(ordinary(), login="anna"), ("a", "N"), "the next mail is its own")
        peer.envelope("hold@example.com", PEOPLE, "hold")
        expect(peer.header(fields_of(odd())), "c")
        peer.step("B", b"some of the body")
        peer.abort()
        expect(peer.mail(odd()), ("a", "N"), "its login is gone")
        expect(site.ask("SELECT count(*) FROM hold"), [(0,)])


@alone
def test_garbage_costs_nothing(site):
    dice = random.Random(1)
    # It listens before it has opened everything; once it has answered a mail, it has.
    with Milter(site.socket) as peer:
        peer.connect()
        expect(peer.mail(ordinary(), login="anna"), ("a", "N"))
    before = site.descriptors()
    for turn in range(300):
        peer = Milter(site.socket, negotiate=turn % 5 > 2 or turn % 2 == 0)
        try:
            if turn % 5 == 0:
                peer.socket.sendall(struct.pack("!I", 0x7FFFFFFF) + b"L")
            elif turn % 5 == 1:
                peer.socket.sendall(dice.randbytes(dice.randrange(1, 4000)))
            elif turn % 5 == 2:
                peer.put(dice.choice("ABCDEHKLMNOQRTU"), dice.randbytes(dice.randrange(200)))
            elif turn % 5 == 3:
                peer.connect()
                for command in "LNEBRMADE":
                    peer.put(command, b"x\0y\0" * dice.randrange(3))
            else:
                peer.connect()
                peer.envelope("hold@example.com", ["x@example.com"], "hold")
        except (BrokenPipeError, ConnectionResetError):
            pass
        peer.close()
    with Milter(site.socket) as peer:
        peer.connect()
        expect(peer.mail(ordinary(), login="anna"), ("a", "N"), "it still works")
    until(lambda: len(site.descriptors()) <= len(before), 30,
          lambda: f"broken connections are closed: {before} became {site.descriptors()}")


def resident_with_recipients(site, count):
    """Bytes of memory while a mail to so many people is at hand."""
    with Milter(site.socket) as peer:
        peer.connect()
        peer.envelope("hold@example.com",
                      (f"person{number}@example.com" for number in range(count)), "hold")
        expect(peer.header([("From", "hold@example.com"), ("Message-ID", f"<{count}@x>")]), "c")
        expect(peer.body(b"hello"), "a")
        held = peer.added()[0][1].split("=")[1].split(";")[0]
        expect(site.ask("SELECT recipient_count FROM hold WHERE id = ?", held), [(count,)])
        return site.resident()


@alone
@knows("hold@example.com")
def test_200000_recipients_in_bounded_memory(site):
    # what a sanitizer needs by itself differs from compiler to compiler, but is there by then
    before = resident_with_recipients(site, 20000)
    grown = resident_with_recipients(site, 200000) - before
    assert grown < 12 << 20, f"{grown} bytes more"


@alone
def test_an_endless_header_in_bounded_memory(site):
    before = site.resident()
    with Milter(site.socket) as peer:
        peer.connect()
        peer.envelope("anna@example.com", ["bert@example.com"], "anna")
        for number in range(3000):
            peer.field(f"X-{number}", "y" * 20000)
            peer.field("To", "z@example.com, " * 1000)
        assert peer.header([("From", "anna@example.com")]) in "ac"
        grown = site.resident() - before
        assert grown < 12 << 20, f"{grown} bytes more"


@alone
def test_connections_leave_nothing_behind(site):
    def many(count):
        for _ in range(count):
            with Milter(site.socket) as peer:
                peer.connect()
                expect(peer.mail(ordinary(), login="anna"), ("a", "N"))
    many(500)
    before = site.resident()
    many(3000)
    grown = site.resident() - before
    assert grown < 12 << 20, f"{grown} bytes more after 3000 connections"


@alone
def test_signals(site):
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGHUP, signal.SIGPIPE):
        site.process.send_signal(number)
        time.sleep(0.1)
    assert site.is_listening(), "still there"
    with Milter(site.socket) as peer:
        peer.connect()
        expect(peer.mail(ordinary(), login="anna"), ("a", "N"))
    expect(site.stop(), 0, "orderly end")
    site.start()


@alone
def test_ends_in_order_when_libmilter_takes_the_signal(site):
    """SIGTERM for each thread but the main one: only libmilter's own waits for it."""
    with Milter(site.socket) as peer:  # it has begun to serve
        peer.connect()
        expect(peer.mail(ordinary(), login="anna"), ("a", "N"))
    library = ctypes.CDLL(None)
    for thread in map(int, os.listdir(f"/proc/{site.process.pid}/task")):
        if thread != site.process.pid:
            library.tgkill(site.process.pid, thread, signal.SIGTERM)
    expect(site.process.wait(60), 0, "orderly end")


@alone
def test_does_not_take_a_living_ones_socket(site):
    second = subprocess.run([site.program, "-c", site.settings, "-f"], capture_output=True,
                            text=True, timeout=120, check=False)
    expect(second.returncode, 69)
    assert "another program listens there already" in second.stderr, second.stderr
    assert site.is_listening(), "the first one is still there"


@alone
def test_takes_over_a_dead_ones_socket(site):
    site.kill()
    assert os.path.exists(site.socket), "the socket was left behind"
    site.start()
    with Milter(site.socket) as peer:
        peer.connect()
        expect(peer.mail(ordinary(), login="anna"), ("a", "N"))

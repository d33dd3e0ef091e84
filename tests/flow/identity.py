"""Who is really sending: what the client's name, its address and the DNS are asked for."""
import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import tempfile
import time

from lab import story, web
from lab.alone import Alone
from lab.dns import Dns
from lab.mail import Message, Submission, never, until
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


MALLORY, BOSS, DORA, INFO = (f"{name}@example.com" for name in ("mallory", "boss", "dora", "info"))
SHARED = {"address": INFO, "persons": (ANNA,)}
NAMES = ("sender", "proof", "login", "person", "envelope", "from")


def strict(more=None, **identity):
    """A site that asks about every mail to more than three, whoever sends it."""
    return Site({"identity": identity, **(more or {}),
                 "judge": {"learning_sends_new_site": 0, "new_site_odds": 1},
                 "budget": {"sender_day": 0, "site_thousand": 0},
                 "policy": ({"action": "confirm", "threshold": 0.0, "learning_sends": 0,
                             "match": {"people_min": 4}}, {"action": "pass"})})


def judged(site, message, **envelope):
    """Sends it; the audit line of its judgement."""
    queue_id = site.send(message, **envelope)
    return until(lambda: site.audit("judge", queue_id=queue_id), 10, "the judgement")[0]


def only_letter(site, to):
    """Waits for a letter to this address; nobody else got one, and nobody outside any mail."""
    letters = site.letters(to)
    receivers = {who for one in site.receiver.received() for who in one.recipients
                 if one.header("Auto-Submitted") == "auto-generated"}
    assert receivers == {to}, receivers
    site.receiver.forget()
    return letters


def test_audit_tells_login_envelope_and_from_apart():
    """Anna's deputy may send for her, and the mail comes from an office's mailbox."""
    delegates = ({"address": ANNA, "logins": ("deputy",)},)
    with Site({"identity": {"delegates": delegates}}) as site:
        story.teach(site)
        message = story.announce(site).reply_all(ANNA)
        line = judged(site, message, login="deputy", sender="office@example.com")
        found = {key: line[key] for key in NAMES}
        assert found == {"sender": ANNA, "proof": "login", "login": "deputy", "from": ANNA,
                         "person": "deputy@example.com", "envelope": "office@example.com"}, found
        only_letter(site, "deputy@example.com")


def test_the_letter_goes_to_who_is_proved():
    """Whatever a login writes into From, Sender or the envelope: it gets the letter, nobody else."""
    cases = (("noreply@example.com", ANNA, ()), (BOSS, BOSS, (("Sender", ANNA),)),
             ("me@gmail.example", "me@gmail.example", ()), (ANNA, "x@outside.example", ()))
    with strict() as site:
        for number, (author, envelope, headers) in enumerate(cases):
            message = Message(author, COLLEAGUES[:5], f"Case {number}", headers=headers)
            line = judged(site, message, login="anna", sender=envelope)
            assert (line["sender"], line["action"]) == (ANNA, "confirm"), line
            only_letter(site, ANNA)


def test_a_bounce_by_hand_is_by_who_resends():
    """mutt's bounce of Dora's mail: Anna sends it, and Dora hears nothing of it."""
    resent = [("Resent-From", f"Anna <{ANNA}>"), ("Resent-To", ", ".join(COLLEAGUES[:5])),
              ("Resent-Message-ID", "<rs1@example.com>")]
    for login in ("anna", ""):
        with strict() as site:
            message = Message(DORA, [ANNA], "Confidential: salaries")
            text = "".join(f"{name}: {value}\r\n" for name, value in resent)
            line = judged(site, message, login=login, sender=ANNA, recipients=COLLEAGUES[:5],
                          data=text.encode() + message.data())
            assert (line["sender"], line["from"], line["person"]) == (ANNA, DORA, "-"), line
            only_letter(site, ANNA)


def test_a_name_that_lost_its_quotes():
    """From: Muster, Anna <anna@...> is Anna, whatever the MTA makes of the first word."""
    with strict() as site:
        message = Message(ANNA, COLLEAGUES[:5])
        data = message.data().replace(b"From: <anna@", b"From: Muster, Anna <anna@")
        line = judged(site, message, login="anna", data=data)
        assert (line["sender"], line["from"]) == (ANNA, ANNA), line
        only_letter(site, ANNA)


ROUTES = ("victim%outside.example@example.com", "outside.example!victim@example.com",
          '"victim@outside.example"@example.com')


def test_a_route_is_nobody():
    """Postfix and Sendmail send these on to the outside: nothing of ours goes there."""
    with strict() as site:
        for route in ROUTES:
            line = judged(site, Message(route, COLLEAGUES[:5], "Win a prize"),
                          login="mallory", sender=MALLORY)
            assert line["sender"] == MALLORY, line
            only_letter(site, MALLORY)
            for login in (route, ""):  # nobody's login; nobody on a trusted network
                message = Message(route, COLLEAGUES[:5], "Win a prize")
                site.send(message, login=login, sender="x@outside.example")
                story.reaches(site, message)
        assert not [one for one in site.receiver.received()
                    if one.header("Auto-Submitted") == "auto-generated"]


def test_a_shared_mailbox_is_told_where_the_settings_say_so():
    box = {"address": "box@example.com", "persons": ("@example.com",), "letters_to": "mailbox"}
    with strict(delegates=(SHARED, box)) as site:
        for author, told in ((INFO, ANNA), ("box@example.com", "box@example.com")):
            line = judged(site, Message(author, COLLEAGUES[:5]), login="anna")
            assert (line["sender"], line["person"]) == (author, ANNA), line
            only_letter(site, told)
        # who is in no entry only says so
        line = judged(site, Message(INFO, COLLEAGUES[:5]), login="mallory")
        assert (line["sender"], line["from"]) == (MALLORY, INFO), line
        only_letter(site, MALLORY)


def test_one_mailbox_gets_so_many_letters_whoever_wrote():
    box = {"address": "@example.com", "persons": ("@example.com",), "letters_to": "mailbox"}
    with strict(delegates=(box,), recipient_delimiter="+",
                more={"notice": {"person_day": 3}}) as site:
        for number in range(3):
            for login in ("anna", "mallory"):
                site.send(Message(f"box+{number}@example.com", COLLEAGUES[:5], f"{number}"),
                          login=login)
        until(lambda: len(site.audit("notice", limited_by="person_day")) == 3, 30, "a cap")
        never(lambda: len([one for one in site.receiver.received()
                           if one.header("Auto-Submitted") == "auto-generated"]) > 3, 2, "more")


def test_two_who_send_as_one_address_are_two():
    """Dora answers what Anna sent as the shared mailbox a moment ago: hers is a mail of its own."""
    with strict(delegates=({**SHARED, "persons": (ANNA, DORA)},)) as site:
        first = Message(INFO, COLLEAGUES[:5], "Cake")
        second = Message(INFO, COLLEAGUES[:5], "Re: Cake", "And tea.\n", headers=[
            ("In-Reply-To", first.id), ("References", first.id)])
        ids = [site.send(first, login="anna"), site.send(second, login="dora")]
        holds = [story.hold_of(site, queue_id) for queue_id in ids]
        assert holds[0] != holds[1], holds
        web.press(site.link(ANNA), "undo")
        assert len(site.letters(DORA)) == 1
        web.press(site.link(DORA), "send")
        story.reaches(site, second)
        assert not site.receiver.received(first.id)


def test_forgets_the_mail_of_one_account_alone():
    """anna-maria shares habits with anna where '-' begins an extension, and held mail never."""
    both = (ANNA, "anna-maria@example.com")
    with strict(recipient_delimiter="+-") as site:
        for who, to in zip(both, (COLLEAGUES[:5], COLLEAGUES[10:15])):
            message = Message(who, to)
            site.send(message, login=who.split("@", maxsplit=1)[0])
            web.press(site.link(who), "send")
            story.reaches(site, message)
        until(lambda: len(site.audit("sent")) == 2, 20, "both are over")

        def senders():
            with contextlib.closing(sqlite3.connect(site.folder / "state/holds/holds.db",
                                                    timeout=30)) as holds:
                return sorted(row[0] for row in holds.execute("SELECT sender FROM hold"))
        assert senders() == sorted(both)
        site.oopsctl("forget", both[1], check=True)
        assert senders() == [ANNA], senders()


def test_the_file_of_logins():
    """Logins that are no addresses; a file that became wrong leaves the old one in force."""
    with tempfile.NamedTemporaryFile("w", suffix=".logins") as file:
        os.chmod(file.name, 0o644)
        file.write("# who is who\nDOM\\\\anna Anna@example.com, muster@example.com\n".replace(
            "\\\\", "\\"))
        file.flush()
        with strict(logins=file.name) as site:
            line = judged(site, Message("muster@example.com", COLLEAGUES[:5]),
                          login="dom\\anna")
            assert (line["sender"], line["person"]) == ("muster@example.com", ANNA), line
            only_letter(site, "Anna@example.com")
            file.write("ben\n")
            file.flush()
            done = site.oopsctl("reload")
            assert f"{file.name}:3: the form is: LOGIN ADDRESS" in done.stdout + done.stderr, done
            site.allow(r"\.logins:3: the form is|settings")
            line = judged(site, Message(ANNA, COLLEAGUES[:5]), login="DOM\\anna")
            assert line["sender"] == ANNA, line
            only_letter(site, "Anna@example.com")
            # a login that is nobody's: somebody of ours sends, and it is not known who
            message = Message(ANNA, COLLEAGUES[:5])
            line = judged(site, message, login="DOM\\ghost")
            assert (line["wanted"], line["action"], line["limited_by"]) == (
                "confirm", "tag", "login"), line
            story.reaches(site, message)
            assert not site.receiver.received(recipient=ANNA)


def test_wrong_account():
    """Anna writes to a colleague of hers, but sends as the shared mailbox."""
    delegates = ({"address": "info@example.com", "persons": (ANNA,)},)
    with Site({"policy": ({"action": "tag", "threshold": 0.0, "tag_threshold": 0.0},),
               "identity": {"delegates": delegates}}) as site:
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
        assert (line["wanted"], line["action"], line["limited_by"]) == ("confirm", "tag", "spf")
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


# 3,117 bytes behind an include: libspf2 1.2.10 writes beyond a buffer of its own (CVE-2023-42118)
POISON = "v=spf1 exists:" + "%{d}" * 127 + "%-" * 1300 + " -all"


def helpers(site):
    """The processes of the milter that check SPF."""
    return [int(pid) for pid in subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(site.running["oops-milter"].pid)], text=True,
        capture_output=True, check=False).stdout.split()]


def proof_of(site, client, **envelope):
    """Sends an odd mail by a client; the proof in the audit, or None when it was not judged."""
    message = Message(ANNA, COLLEAGUES[:5])
    queue_id = by(site, client, message, **envelope)
    story.reaches(site, message)
    lines = site.audit("judge", queue_id=queue_id)
    return lines[0]["proof"] if lines else None


def test_spf_may_die():
    """A record that kills libspf2 is not shown to it; and a check that is killed is one mail's loss."""
    dns = Dns({**RECORDS, ("evil.example", "TXT"): [POISON],
               ("poisoned.example", "TXT"): ["v=spf1 include:evil.example -all"]})
    dns.take_over()
    identity = {"spf": True, "spf_cache": "0s", "spf_timeout": "20s",
                "local_domains": ("example.com", "poisoned.example")}
    policy = {"action": "tag", "threshold": 0.0, "tag_threshold": 0.0}
    with Site({"identity": identity, "policy": (policy,)}, postfix=OPEN) as site:
        milter = site.running["oops-milter"].pid
        assert proof_of(site, CLOUD, sender="bounce@example.com") == "spf"
        assert proof_of(site, CLOUD, sender="x@poisoned.example") is None
        assert ("evil.example", 16) in dns.asked and not site.audit("error"), "it died"

        for number in (signal.SIGABRT, signal.SIGKILL):  # as "stack smashing detected" does
            victims = until(lambda: helpers(site), 10, "a process that checks")
            for victim in victims:
                os.kill(victim, number)
            assert proof_of(site, CLOUD, sender="bounce@example.com") is None
            line = site.audit("error", where="spf")[-1]
            assert (line["what"], line["answer"]) == (
                f"the process of a check was ended by signal {number}", "not proved"), line
            assert proof_of(site, CLOUD, sender="bounce@example.com") == "spf", "it starts anew"
        assert len(site.audit("error")) == 2
        assert site.running["oops-milter"].pid == milter and site.ready("oops-milter")
        # it has its socket and standard error, and nothing of the databases
        files = os.listdir(f"/proc/{helpers(site)[0]}/fd")
        assert set(files) <= {"0", "1", "2"}, files
    assert not [pid for pid in victims if os.path.exists(f"/proc/{pid}")]


def test_spf_turned_on_by_a_reload():
    """The first process is started when the first check is."""
    dns = Dns(RECORDS)
    dns.take_over()
    policy = {"action": "tag", "threshold": 0.0, "tag_threshold": 0.0}
    with Site({"policy": (policy,)}, postfix=OPEN) as site:
        assert proof_of(site, CLOUD, sender="bounce@example.com") is None
        assert not helpers(site)
        site.changes = {"policy": (policy,), "identity": {"spf": True}}
        site.write_settings()
        site.oopsctl("reload", check=True)
        assert proof_of(site, CLOUD, sender="bounce@example.com") == "spf"
        assert helpers(site)

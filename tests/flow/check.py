"""oopsctl check: what would let slips pass unnoticed, or leave mail on hold, is found."""
import http.server
import os
import pathlib
import subprocess
import threading

from lab import story
from lab.mail import until
from lab.site import MILTER_UID, Site
from lab.story import ANNA

SETTINGS = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                       {"action": "pass"})}
ONLY = "postfix"  # whose configuration it explains
KINDS = ("ok: ", "warning: ", "fault: ")


def look(site, code):
    """All lines of a check that must end with this code."""
    done = site.oopsctl("check")
    lines = done.stdout.splitlines()
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}{done.stderr}"
    assert lines and all(line.startswith(KINDS) for line in lines), lines
    return lines


def of_kind(lines, kind):
    found = [line for line in lines if line.startswith(kind + ": ")]
    assert all("; change: " in line for line in found), found
    return found


def findings(site, code, kind):
    return of_kind(look(site, code), kind)


def fault(site, *words, but=""):
    """The one and only fault there is (`but` for those of a kind) must say all of this."""
    found = [line for line in findings(site, 69, "fault") if not but or but not in line]
    assert len(found) == 1 and all(word in found[0] for word in words), found


def warning(site, *words):
    found = findings(site, 0, "warning")
    assert len(found) == 1 and all(word in found[0] for word in words), found


def clean(site):
    lines = look(site, 0)
    assert all(line.startswith("ok: ") for line in lines), lines


def milter_is_away(site):
    """The MTA tells, too, that it cannot reach the milter."""
    site.allow(r"connect to Milter service|milter-reject|local socket name \S+ unsafe")


def edit_master(site, old, new):
    path = pathlib.Path(site.postfix.config_directory, "master.cf")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_milters_of_postfix():
    with Site(SETTINGS) as site:
        clean(site)
        ours = f"unix:{site.folder}/run/milter.sock"
        site.postfix.configure(smtpd_milters=f"{{ {ours}, connect_timeout=5s }}, inet:[::1]:9")
        fault(site, "in smtpd_milters a milter comes after us", "in main.cf: move ")
        site.postfix.configure(smtpd_milters=f"{ours}, inet:[::1]:9, {ours}")
        fault(site, "in smtpd_milters a milter comes after us")  # the first of us holds it
        site.postfix.configure(smtpd_milters=f"inet:[::1]:9, {{ {ours}, connect_timeout=5s }}",
                               non_smtpd_milters="")
        fault(site, "non_smtpd_milters does not name us",
              f"change: in main.cf: non_smtpd_milters = {ours}")
        site.postfix.configure(smtpd_milters=ours, non_smtpd_milters="$smtpd_milters",
                               milter_default_action="reject")
        fault(site, "milter_default_action = reject", "milter_default_action = accept")
        site.postfix.configure(milter_default_action="accept", long_queue_ids="no")
        warning(site, "used again", "enable_long_queue_ids = yes")
        site.postfix.configure(long_queue_ids="yes")
        clean(site)


def test_services_with_milters_of_their_own():
    with Site(SETTINGS) as site:
        ours = f"unix:{site.folder}/run/milter.sock"
        edit_master(site, "pickup ", "submission inet n - n - - smtpd\n -o smtpd_milters=\npickup ")
        fault(site, "submission/inet/smtpd_milters does not name us", "in master.cf, service sub")
        site.postfix.configure()
        edit_master(site, "pickup ", "submission inet n - n - - smtpd\n"
                    f" -o {{ smtpd_milters = {ours}, inet:[::1]:9 }}\npickup ")
        fault(site, "submission/inet/smtpd_milters a milter comes after us")
        site.postfix.configure()
        edit_master(site, "pickup ", "submission inet n - n - - smtpd\n"
                    " -o receive_override_options=no_milters\npickup ")
        fault(site, "no_milters", "is not judged")
        site.postfix.configure()
        edit_master(site, "pickup ", "[::1]:10025 inet n - n - - smtpd\n"
                    " -o smtpd_milters=\npickup ")
        warning(site, "[::1]:10025/inet/smtpd_milters does not name us")
        site.postfix.configure()
        clean(site)


def test_submission_alone_is_judged():
    with Site(SETTINGS) as site:
        milter_is_away(site)
        ours = f"unix:{site.folder}/run/milter.sock"
        submission = f"submission inet n - n - - smtpd\n -o smtpd_milters={ours}\n"
        site.postfix.configure(smtpd_milters="", non_smtpd_milters="")
        edit_master(site, "pickup ", submission + "pickup ")
        by_smtp, by_hand = findings(site, 0, "warning")
        assert "smtpd_milters does not name us" in by_smtp and "/inet is not judged" in by_smtp
        assert f"127.0.0.1:{site.mta.port}/inet" in by_smtp and "submission/" not in by_smtp
        assert "non_smtpd_milters does not" in by_hand and "by cleanup/unix is not" in by_hand
        # with a list of its own, mail from outside is left out all the same
        edit_master(site, "pickup ", "25 inet n - n - - smtpd\n -o smtpd_milters=\npickup ")
        assert len(findings(site, 0, "warning")) == 3
        # one way for people that does not name us, and it is no choice any more
        edit_master(site, "pickup ", "[::1]:465 inet n - n - - smtpd\npickup ")
        found = findings(site, 69, "fault")
        assert any("postfix: smtpd_milters does not name us" in line for line in found), found
        # all by themselves
        site.postfix.configure(smtpd_milters="", non_smtpd_milters=ours)
        edit_master(site, "pickup ", submission + "pickup ")
        edit_master(site, "- - smtpd\n", f"- - smtpd\n -o smtpd_milters={ours}\n")
        clean(site)


def test_what_happens_while_the_milter_is_down():
    with Site(SETTINGS) as site:
        ours = f"unix:{site.folder}/run/milter.sock"
        for attribute in ("default_action=reject", "{ default_action = reject }"):
            site.postfix.configure(smtpd_milters=f"{{ {ours}, {attribute} }}",
                                   non_smtpd_milters="$smtpd_milters")
            fault(site, "/inet, cleanup/unix: default_action = reject", "in the braces")
        site.postfix.configure(smtpd_milters=f"{{ inet:[::1]:9, default_action=reject }}, {ours}")
        clean(site)
        site.postfix.configure(smtpd_milters=f"{{ {ours}, default_action=tempfail }}",
                               milter_default_action="reject")
        clean(site)
        site.postfix.configure(smtpd_milters=ours, milter_default_action="accept")
        edit_master(site, "pickup ", "submission inet n - n - - smtpd\n"
                    " -o milter_default_action=reject\npickup ")
        fault(site, "postfix: submission/inet: milter_default_action = reject", "in master.cf")
        site.postfix.configure()
        edit_master(site, "- 0 cleanup", "- 0 cleanup\n -o milter_default_action=quarantine")
        fault(site, "postfix: cleanup/unix: milter_default_action = quarantine")


def test_main_cf_that_postfix_cannot_read():
    with Site(SETTINGS) as site:
        site.allow("main.cf|postqueue|oops-queued")
        path = pathlib.Path(site.postfix.config_directory, "main.cf")
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "foo bar\n", encoding="utf-8")
        found = findings(site, 69, "fault")
        path.write_text(text, encoding="utf-8")
        assert any(": missing '=' after attribute name" in line and "change: main.cf" in line
                   for line in found), found
        assert not any("run oopsctl as root" in line for line in found), found
        clean(site)


def test_socket_that_smtpd_cannot_reach():
    with Site(SETTINGS) as site:
        edit_master(site, "inet n - n", "inet n - y")
        fault(site, "/inet: chrooted to ", "cannot find")
        site.postfix.configure()
        edit_master(site, "cleanup   unix n - n", "cleanup   unix n - y")
        fault(site, "postfix: cleanup/unix: chrooted to ", "cannot find")
        site.postfix.configure()
        milter_is_away(site)
        os.chmod(site.folder / "run", 0o700)
        fault(site, "as user postfix, cannot connect", "Permission denied")
        os.chmod(site.folder / "run", 0o2750)
        clean(site)


def test_column_of_the_chroot():
    with Site(SETTINGS) as site:
        edit_master(site, "pickup ", "relay inet n - n - - smtpd\npickup ")
        clean(site)  # a name is no "y"
        edit_master(site, "inet n - n", "inet n - -")
        clean(site)
        site.postfix.extra["compatibility_level"] = "0"
        site.postfix.configure()
        clean(site)
        edit_master(site, "inet n - n", "inet n - -")
        fault(site, "/inet: chrooted to ", "cannot find")
        edit_master(site, "inet n - -", "inet n - n")
        edit_master(site, "pickup ", "postlog inet n - y - - postlogd\npickup ")
        clean(site)  # who asks no milter may be anywhere


def test_socket_below_the_chroot_is_reached():
    with Site(SETTINGS) as site:
        milter_is_away(site)  # for the smtpd that runs already
        site.end("oops-milter")
        inside = pathlib.Path(site.postfix.folder, "spool", "oops")
        inside.mkdir(mode=0o2750)
        os.chown(inside, MILTER_UID, os.stat(site.folder / "run").st_gid)
        os.chmod(inside, 0o2750)
        socket = f"unix:{inside}/milter.sock"
        site.changes = {**SETTINGS, "milter": {"socket": socket}}
        site.write_settings()
        log = open(site.log_path("oops-milter"), "ab")
        with log:
            site.running["oops-milter"] = subprocess.Popen(
                [site.folder / "bin" / "oops-milter", "-c", site.conf, "-f"], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, user=MILTER_UID, group=MILTER_UID,
                extra_groups=[64003], umask=0o007, start_new_session=True)
        until((inside / "milter.sock").exists, 20, "oops-milter listens")
        site.postfix.configure(smtpd_milters="unix:oops/milter.sock",
                               non_smtpd_milters=f"unix:{inside}/milter.sock")
        edit_master(site, "inet n - n", "inet n - y")
        lines = look(site, 0)
        assert any("/inet: " in line and "in its chroot, can reach" in line for line in lines)
        assert any("cleanup/unix: " in line and "can reach" in line for line in lines), lines
        site.postfix.configure(smtpd_milters=f"unix:{inside}/milter.sock")
        look(site, 0)
        edit_master(site, "inet n - n", "inet n - y")
        fault(site, "/inet: chrooted to ", f"cannot find {inside}/milter.sock there",
              "change: unix:oops/milter.sock")
        site.postfix.configure(smtpd_milters="")
        found = findings(site, 69, "fault")
        assert any("in main.cf: smtpd_milters = unix:oops/milter.sock" in line
                   for line in found), found
        site.postfix.configure(smtpd_milters="unix:/oops/milter.sock")
        fault(site, "/inet: cannot find /oops/milter.sock", f"our socket is {inside}/milter.sock")


def test_a_postfix_that_does_not_run():
    with Site(SETTINGS) as site:
        clean(site)
        site.mta.stop()
        fault(site, "postfix: does not run: cannot connect to ", but="letters: ")
        site.mta.start()
        clean(site)


def test_programs_that_do_not_run():
    with Site(SETTINGS) as site:
        clean(site)
        milter_is_away(site)
        for name in ("oops-queued", "oops-web", "oops-milter"):
            assert site.end(name) == 0
            fault(site, f"fault: {name}: ", f"start {name}")
            site.run(name)
        clean(site)
        os.chmod(site.folder / "secret.key", 0o644)
        fault(site, "chmod 0640")


def test_settings_by_which_no_program_would_start():
    with Site(SETTINGS) as site:
        wrong = site.folder / "wrong"
        wrong.write_text("nonsense here\n", encoding="ascii")
        faults = (({"judge": {"scorecard": str(wrong)}}, f"{wrong}:1: "),
                  ({"lists": ({"aliases": str(wrong)},)}, f"{wrong}:1: "),
                  ({"lists": ({"address": "a@example.com", "members": 3},
                              {"aliases": "/nonexistent"})},
                   ": lists[2]: cannot open /nonexistent: No such file"),
                  ({"lists": ({"address": "a@example.com", "file": "/nonexistent"},)},
                   ": lists[1]: cannot open /nonexistent: No such file"),
                  ({"notice": {"template": str(wrong)}}, f"{wrong}:1: "),
                  ({"notice": {"template": "/nonexistent"}}, "/nonexistent: No such file"),
                  ({"policy": ({"match": {"reason": "famliarity"}},)}, "no such signal"))
        for change, words in faults:
            site.changes = {**SETTINGS, **change}
            site.write_settings()
            fault(site, "fault: settings: ", words)
            test = subprocess.run([site.build / "oops-milter", "-t", "-c", site.conf], check=False,
                                  capture_output=True, text=True)
            assert test.returncode == 78 and words in test.stderr, test
        site.changes = {**SETTINGS, "judge": {"scorecard": str(wrong)},
                        "lists": ({"aliases": str(wrong)},)}
        site.write_settings()
        assert len(findings(site, 69, "fault")) == 2, "each fault is told"


def test_settings_that_nobody_took():
    with Site(SETTINGS) as site:
        site.write_settings()
        found = findings(site, 0, "warning")
        assert len(found) == 2 and all("runs by settings from before" in line for line in found)
        assert site.oopsctl("reload").returncode == 0
        clean(site)
        site.allow("new settings are refused|needs a restart")
        site.changes = {**SETTINGS, "node": "other"}
        site.write_settings()
        assert site.oopsctl("reload").returncode == 78
        found = findings(site, 0, "warning")
        assert "oops-milter: refused the last new settings" in found[0], found
        site.changes = SETTINGS
        site.write_settings()
        assert site.oopsctl("reload").returncode == 0
        clean(site)


def test_a_login_that_may_be_several_people():
    domains = {"local_domains": ("example.com", "example.org")}
    with Site({**SETTINGS, "identity": domains}) as site:
        warning(site, "nobody's, with 2 local domains", "login_domain")
        site.changes = {**SETTINGS, "identity": {**domains, "login_domain": "example.com"}}
        site.write_settings()
        assert site.oopsctl("reload").returncode == 0
        clean(site)


def test_wrong_user_of_the_helper():
    with Site(SETTINGS) as site:
        site.changes = {**SETTINGS, "mta": {"queue_user": "postfix"}}
        site.write_settings()
        fault(site, "serves user postfix alone", f"oops-milter is user {MILTER_UID}")
        site.changes = {**SETTINGS, "mta": {"queue_user": "no-such-user"}}
        site.write_settings()
        fault(site, "there is no user no-such-user")


def test_letters_and_links_that_reach_nobody():
    with Site(SETTINGS, postfix={"extra": {
            "smtpd_recipient_restrictions":
            "check_recipient_access inline:{nobody@example.com=REJECT}, permit"}}) as site:
        clean(site)
        site.changes = {**SETTINGS, "notice": {"from": "nobody@example.com"}}
        site.write_settings()
        fault(site, "does not take mail for nobody@example.com", "Access denied")
        site.changes = {**SETTINGS, "notice": {"smtp": "smtp://127.0.0.1:1"}}
        site.write_settings()
        fault(site, "letters: smtp://127.0.0.1:1")
        with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler,
                                    bind_and_activate=True) as other:
            thread = threading.Thread(target=other.serve_forever)
            thread.start()
            port = other.server_address[1]
            site.changes = {**SETTINGS, "web": {"base_url": f"http://127.0.0.1:{port}"}}
            site.write_settings()
            fault(site, "something other than oops-web answers", "base_url")
            other.shutdown()
            thread.join()
        fault(site, "the links lead nowhere")


def test_held_mail_that_should_have_left():
    with Site({**SETTINGS, "confirm": {"expires": "1h"}}) as site:
        story.teach(site)
        _, queue_id = story.slip(site, story.announce(site))
        until(lambda: " held " in site.oopsctl("list").stdout, 10, "the scheduler saw it")
        clean(site)
        site.end("oops-milter")
        milter_is_away(site)
        database = site.folder / "state" / "holds" / "holds.db"
        subprocess.run(["sqlite3", database, "UPDATE hold SET deadline = deadline - 7200000, "
                        "moved = moved + 60000"], check=True)
        found = findings(site, 69, "fault")
        hold = story.hold_of(site, queue_id)
        assert any("should have left long ago: " + hold in line for line in found), found
        assert any(line.startswith("fault: clock: 1 hold was moved") for line in found), found
        subprocess.run(["sqlite3", database, "UPDATE hold SET deadline = deadline + 7200000, "
                        "moved = moved - 60000"], check=True)
        site._give_away()
        site.run("oops-milter")
        clean(site)


def test_schema_of_the_future():
    with Site(SETTINGS) as site:
        database = site.folder / "state" / "memory.db"
        version = subprocess.run(["sqlite3", database, "PRAGMA user_version"], check=True,
                                 capture_output=True, text=True).stdout.strip()
        milter_is_away(site)
        site.end("oops-milter")
        subprocess.run(["sqlite3", database, "PRAGMA user_version = 9999"], check=True)
        found = findings(site, 69, "fault")
        assert any("store: " in line and "newer oops-milter" in line for line in found), found
        subprocess.run(["sqlite3", database, f"PRAGMA user_version = {version}"], check=True)
        site._give_away()
        site.run("oops-milter")
        clean(site)

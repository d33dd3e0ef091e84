"""oopsctl check on Sendmail: what its sendmail.cf lets pass unjudged is found."""
import pathlib

from check_agree import restart
from lab.mail import free_port
from lab.site import Site

ONLY = "sendmail"  # whose configuration it explains


def findings(site, code, kind):
    done = site.oopsctl("check")
    lines = done.stdout.splitlines()
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}{done.stderr}"
    found = [line for line in lines if line.startswith(kind + ": ")]
    assert all("; change: " in line for line in found), found
    return found


def fault(site, *words):
    found = findings(site, 69, "fault")
    assert len(found) == 1 and all(word in found[0] for word in words), found


def warning(site, *words):
    assert not findings(site, 0, "fault")
    found = findings(site, 0, "warning")
    assert len(found) == 1 and all(word in found[0] for word in words), found


class Edited:
    """sendmail.cf with a change, for as long as it lasts; Sendmail itself need not read it."""

    def __init__(self, site, old, new):
        self.path, self.old, self.new = pathlib.Path(site.mta.config), old, new

    def __enter__(self):
        self.text = self.path.read_text(encoding="utf-8")
        assert self.old in self.text, f"{self.old} is not in {self.path}"
        self.path.write_text(self.text.replace(self.old, self.new), encoding="utf-8")

    def __exit__(self, *_):
        self.path.write_text(self.text, encoding="utf-8")


def test_what_sendmail_cf_says():
    with Site() as site:
        assert not findings(site, 0, "fault") and not findings(site, 0, "warning")
        with Edited(site, "milter.sock", "other.sock"):
            fault(site, "has no filter with our socket", "INPUT_MAIL_FILTER(")
        with Edited(site, "O InputMailFilters=milter0", "O InputMailFilters="):
            fault(site, "InputMailFilters of all daemons does not name milter0")
        with Edited(site, "O InputMailFilters=milter0", "O InputMailFilters=milter0,signer"):
            warning(site, "a filter comes after us")
        with Edited(site, "O InputMailFilters=milter0", "O InputMailFilters=signer, milter0"):
            assert not findings(site, 0, "warning")
        with Edited(site, "O InputMailFilters=milter0",
                    "O DaemonPortOptions=Name=MSA, Port=587, InputMailFilters=signer\n"
                    "O InputMailFilters=milter0"):
            fault(site, "Name=MSA", "does not name milter0")
        with Edited(site, "{auth_authen}", "{auth_ssf}"):
            fault(site, "a login proves nothing", "confMILTER_MACROS_ENVFROM")
        with Edited(site, ", F=T,", ", F=R,"):
            fault(site, "F=R", "mail is lost")
        site.changes = {"mta": {"sendmail_config": str(site.folder / "nothing.cf")}}
        site.write_settings()
        fault(site, "No such file", "sendmail_config")


def test_mail_is_kept_beyond_the_longest_hold():
    """It counts from when a mail came in: one that was on hold for longer bounces at once."""
    with Site() as site:
        done = site.oopsctl("check").stdout
        assert "ok: sendmail: Timeout.queuereturn = 5d: longer than a mail can be" in done, done
        filters = "O InputMailFilters="
        for lines, option, macro in (
                ("O Timeout.queuereturn=4d\n", "Timeout.queuereturn = 4d", "QUEUERETURN'"),
                ("O Timeout.queuereturn=3d12h\n", "Timeout.queuereturn = 3d12h", "`5d'"),
                ("O Timeout.queuereturn.urgent=1d\nO Timeout.queuereturn.normal=2d\n",
                 "Timeout.queuereturn.urgent = 1d", "confTO_QUEUERETURN_URGENT', `5d'")):
            with Edited(site, filters, lines + filters):
                warning(site, option + ", and a mail can be on hold for 3d 1h", macro)
        for lines in ("O Timeout.queuereturn=7d\n", "O Timeout.queuereturn.normal=now\n"):
            with Edited(site, filters, lines + filters):
                assert not findings(site, 0, "warning")


def test_aliases_that_we_do_not_read():
    with Site() as site:
        aliases, virtual = (site.folder / name for name in ("aliases", "virtusertable"))
        aliases.write_text("all: anna, ben, clara\n", encoding="ascii")
        virtual.write_text("all@example.com anna\n", encoding="ascii")
        with Edited(site, "O InputMailFilters=", f"O AliasFile=hash:{aliases}, /nonexistent\n"
                    f"Kvirtuser hash -o {virtual}\nO InputMailFilters="):
            found = findings(site, 0, "warning")
            assert len(found) == 2 and not findings(site, 0, "fault"), found
            assert f"AliasFile {aliases} is not in lists" in found[0], found
            assert f'lists: ( {{ aliases = "{aliases}"; }} )' in found[0], found
            assert f'lists: ( {{ virtual = "{virtual}"; }} )' in found[1], found
            site.changes = {"lists": ({"aliases": str(aliases)}, {"virtual": str(virtual)})}
            site.write_settings()
            site.oopsctl("reload", check=True)
            assert not findings(site, 0, "warning")


def test_one_socket_by_many_names():
    with Site() as site:
        port = free_port()
        ours = f"S=unix:{site.folder}/run/milter.sock"
        site.allow("Milter|milter")
        restart(site, milter={"socket": f"inet:{port}@127.0.0.1"})
        for one in (f"inet:{port}@127.0.0.1", f"inet:{port}@localhost", f"inet:{port}"):
            with Edited(site, ours, "S=" + one):
                assert not findings(site, 0, "fault")
        for one in (f"inet6:{port}@::1", f"inet:{port}@127.0.0.2", "inet:9@127.0.0.1"):
            with Edited(site, ours, "S=" + one):
                fault(site, "has no filter with our socket")

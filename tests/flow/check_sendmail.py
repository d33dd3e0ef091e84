"""oopsctl check on Sendmail: what its sendmail.cf lets pass unjudged is found."""
import pathlib

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

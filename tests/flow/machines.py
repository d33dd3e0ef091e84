"""Accounts that no person writes with: monitoring, cron, tickets."""
from lab import story
from lab.mail import Message, new_id, until
from lab.site import Site

NAGIOS, ADMIN = "nagios@example.com", "admin@example.com"
EVERYBODY = [story.CLARA] + story.COLLEAGUES
ALERT = "** PROBLEM Host Alert: core-switch is DOWN **"
SETTINGS = {"judge": {"learning_site_sends": 0}}


def alert(to):
    return Message(NAGIOS, to, ALERT, "***** Nagios *****\n\nHost: core-switch\nState: DOWN\n")


def taught(site):
    """Forty alerts to one admin, by the sendmail command."""
    before = site.threads()
    for _ in range(40):
        site.mta.sendmail(alert([ADMIN]))
    story.learned(site, before + 40)
    site.receiver.forget()


def test_a_machine_that_is_named_passes():
    with Site({**SETTINGS}) as site:
        taught(site)
        site.mta.sendmail(alert(EVERYBODY))
        until(lambda: site.audit("held", sender=NAGIOS), 20, "nobody said what it is")
        said = site.oopsctl("check").stdout
        assert f"from what looks like a machine's account ({NAGIOS})" in said, said
        assert "name it in identity.machines" in said, said
        site.changes = {**SETTINGS, "identity": {"local_domains": ("example.com",),
                                                 "machines": (NAGIOS,)}}
        site.write_settings()
        site.oopsctl("reload", check=True)
        again = alert(EVERYBODY)
        explained = site.folder / "message"
        explained.write_text(again.text(), encoding="utf-8")
        told = site.oopsctl("explain", str(explained), check=True).stdout
        assert f"note: {NAGIOS} is a machine's account (identity.machines)" in told, told
        before = site.threads()
        site.mta.sendmail(again)
        story.reaches(site, again, 20)
        until(lambda: site.threads() == before + 1, 10, "its thread is remembered")
        # what a mail says in From makes nobody a machine
        forged = alert(EVERYBODY)
        forged.id, forged.subject = new_id(), "To all"
        site.send(forged, login=story.ANNA)
        until(lambda: site.audit("judge", login=story.ANNA) or
              site.receiver.received(forged.id), 20, "Anna's is judged or passes as hers")
        assert not site.audit("judge", sender=NAGIOS, person="-", proof="login")

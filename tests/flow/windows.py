"""An undo window begins when the letter about it was taken; nobody is told too late."""
from lab import story, web
from lab.mail import never, until
from lab.site import Site
from lab.story import ANNA

NOBODY = "smtp://127.0.0.1:9"  # no mail server listens there


def site_of(window, **undo):
    """Slips are held for a window, and no letter can be delivered for now."""
    rule = {"action": "undo", "threshold": 0.9, "window": f"{window}s"}
    site = Site({"policy": (rule,), "undo": undo, "notice": {"smtp": NOBODY}})
    site.allow("oops-milter: warning: the letter about hold|notice.smtp")
    return site


def held_slip(site):
    story.teach(site)
    message, queue_id = story.slip(site, story.announce(site))
    hold = story.hold_of(site, queue_id)
    until(lambda: site.audit("notice", id=hold), 20, "a letter was tried")
    return message, hold


def test_a_window_waits_for_its_letter():
    with site_of(4) as site:
        message, hold = held_slip(site)
        never(lambda: site.receiver.received(message.id), 6, "it left and nobody was told")
        del site.changes["notice"]
        site.write_settings()
        site.oopsctl("reload", check=True)
        letter = site.letters(ANNA, 40)[0]
        assert "Undo" in web.get(web.link_in(letter)).text
        story.reaches(site, message, 20)
        window = site.receiver.received(message.id)[0].time - letter.time
        assert window >= 2, f"{window:.1f} s are no window of 4"
        expired = site.audit("expire", id=hold)
        assert [line["announced"] for line in expired] == ["yes"]
        told = int(site.audit("notice", id=hold)[-1]["deadline"])
        first = int(site.audit("held", id=hold)[0]["deadline"])  # with the time for its letter
        assert told <= int(expired[0]["deadline"]) + 1 and told < first - 60, (told, first)


def test_it_does_not_wait_for_ever():
    with site_of(2, announce_within="3s") as site:
        message, hold = held_slip(site)
        story.reaches(site, message, 20)
        assert [line["announced"] for line in site.audit("expire", id=hold)] == ["no"]

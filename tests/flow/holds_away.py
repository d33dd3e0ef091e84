"""holds.db is removed, replaced or damaged: it is noticed and told, and held mail stays in care."""
import os

from lab import story, web
from lab.mail import until
from lab.site import HOLDS_GID, MILTER_UID, Site
from lab.story import ANNA

PEOPLE = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                     {"action": "pass"})}


def holds(site):
    return site.folder / "state" / "holds" / "holds.db"


def slip(site, subject="Cake"):
    """A slip on hold that the keeper has seen: the message, its queue id and its hold."""
    message, queue_id = story.slip(site, story.announce(site, subject=subject))
    hold = story.hold_of(site, queue_id)
    until(lambda: site.audit("held", id=hold), 20, "the keeper saw it")
    return message, queue_id, hold


def listed(site):
    return site.oopsctl("list", check=True).stdout


def told(site, name, answer):
    return [line for line in site.audit("error", where="store")
            if name in line["what"] and answer in line["answer"]]


def test_a_removed_log_takes_no_hold_along():
    with Site(PEOPLE) as site:
        site.allow("was removed or replaced while it is in use")
        story.teach(site)
        first, _, hold = slip(site)
        link = site.link(ANNA)
        for ending in ("-wal", "-shm"):
            os.unlink(f"{holds(site)}{ending}")
        until(lambda: told(site, "holds.db", "opened anew"), 20, "it is noticed")
        assert hold in listed(site)
        second, _, other = slip(site, "Cake again")
        assert hold in listed(site) and other in listed(site)
        assert web.get(link).status == 200
        web.press(link, "send")
        story.reaches(site, first)
        site.oopsctl("send", other, check=True)
        story.reaches(site, second)


def test_a_replaced_database_is_opened_anew():
    with Site(PEOPLE) as site:
        site.allow("was removed or replaced while it is in use")
        site.allow("held mail cannot be read or changed")
        story.teach(site)
        _, queue_id, hold = slip(site)
        for ending in ("", "-wal", "-shm"):
            os.unlink(f"{holds(site)}{ending}")
        until(lambda: told(site, "holds.db", "opened anew"), 20, "it is noticed")
        assert hold not in listed(site)
        message, _, other = slip(site, "Cake again")
        assert other in listed(site)
        link = site.link(ANNA)
        assert web.get(link).status == 200, "oops-web looks at the file that is gone"
        web.press(link, "send")
        story.reaches(site, message)
        # what only the old one knew is still on hold, and check says what to do
        said = site.oopsctl("check").stdout
        assert queue_id in said and "change: run oopsctl adopt" in said, said


def damage(path):
    """Makes nonsense of a file that nobody has open."""
    path.write_bytes(b"\xa5" * path.stat().st_size)


def set_aside(path):
    return [one for one in path.parent.glob(f"{path.name}.damaged-*Z")]


def test_damaged_holds_are_set_aside_and_adopted():
    with Site(PEOPLE) as site:
        site.allow(r"damaged|adopted|was removed or replaced|left without us|cannot be read")
        story.teach(site)
        message, queue_id, hold = slip(site)
        site.letters(ANNA)
        site.end("oops-milter")
        site.end("oops-web")
        damage(holds(site))
        was = holds(site).read_bytes()
        site.receiver.forget()
        site.run("oops-milter")
        site.run("oops-web")
        aside = set_aside(holds(site))
        assert len(aside) == 1 and aside[0].read_bytes() == was, aside
        assert told(site, "holds.db is damaged", f"set aside as {aside[0]}")
        status = holds(site).stat()
        assert (status.st_uid, status.st_gid) == (MILTER_UID, HOLDS_GID), status
        until(lambda: hold in listed(site), 60, "it is adopted")
        until(lambda: told(site, "1 adopted", "begun anew"), 60, "it is told")
        assert f"{aside[0]} was damaged and set aside" in site.oopsctl("check").stdout
        link = site.link(ANNA)  # a new letter
        assert site.mta.queued(queue_id) == "hold"
        web.press(link, "send")
        story.reaches(site, message)


def test_held_mail_is_adopted_where_its_holds_are_gone():
    with Site(PEOPLE) as site:
        site.allow(r"adopted|was removed or replaced|left without us|cannot be read")
        story.teach(site)
        message, _, hold = slip(site)
        site.letters(ANNA)
        for away in (lambda: os.truncate(holds(site), 0), lambda: os.unlink(holds(site))):
            site.end("oops-milter")
            site.end("oops-web")
            away()
            site.receiver.forget()
            before = len(told(site, "1 adopted", "begun anew"))
            site.run("oops-milter")
            site.run("oops-web")
            until(lambda: hold in listed(site), 60, "it is adopted")
            until(lambda: len(told(site, "1 adopted", "begun anew")) == before + 1, 60, "it is told")
        web.press(site.link(ANNA), "send")
        story.reaches(site, message)


def test_holds_that_are_emptied_in_use_are_no_lock_to_wait_for():
    with Site(PEOPLE) as site:
        site.allow(r"file is not a database|holds are not attended to|database disk image")
        os.truncate(holds(site), 0)
        done = site.oopsctl("check")
        assert done.returncode == 69 and "holds.db was emptied while a program has it open; " \
            "change: stop oops-milter and oops-web" in done.stdout, done.stdout


def test_a_damaged_history_is_set_aside():
    with Site(PEOPLE) as site:
        site.allow("damaged")
        story.teach(site)
        path = site.folder / "state" / "memory.db"
        site.end("oops-milter")
        damage(path)
        site.run("oops-milter")
        assert len(set_aside(path)) == 1
        assert told(site, "memory.db is damaged", "set aside as ")
        story.teach(site)
        _, queue_id = story.slip(site, story.announce(site, subject="Anew"))
        story.hold_of(site, queue_id)

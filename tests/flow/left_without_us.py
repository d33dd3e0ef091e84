"""A queue file that left without us: told as what was seen, never as sent or stopped by us."""
import contextlib
import pathlib
import quopri
import shutil
import sqlite3

from lab import story, web
from lab.mail import Submission, never, until
from lab.site import Site, only
from lab.story import ANNA


def held(site):
    """A held slip: message, queue id, hold id, and the link to decide about it."""
    story.teach(site)
    message, queue_id = story.slip(site, story.announce(site))
    return message, queue_id, story.hold_of(site, queue_id), site.link(ANNA)


def check_lost(site, hold, link, how, title):
    """The end, as the audit, the page and the admin's tool tell it."""
    line = until(lambda: site.audit("lost", id=hold), 20, "it is noticed")[0]
    assert line["now"] == "LOST" and line["how"] == how, line
    for event in ("sent", "return", "delete"):
        assert not site.audit(event, id=hold), event
    page = web.get(link).text
    assert title in page and "may have it" in page, page
    for lie in ("Nobody has got it", "was sent", "You stopped it", "came back"):
        assert lie not in page, page
    assert f"without us: {how}" in site.oopsctl("show", hold, check=True).stdout


def test_removed_then_send():
    with Site() as site:
        message, queue_id, hold, link = held(site)
        site.mta.remove(queue_id)
        assert web.press(link, "send").status == 303
        check_lost(site, hold, link, "gone", "Your mail is no longer here")
        assert not site.receiver.received(message.id)


@only("sendmail")
def test_an_empty_folder_where_the_queue_was():
    """As before its file system is mounted again: nothing is lost, and all goes on afterwards."""
    with Site() as site:
        message, queue_id, hold, link = held(site)
        until(lambda: site.audit("held", id=hold), 20)
        site.allow("not the one that was there|RELEASE of .* failed, trying again"
                   "|what=RELEASE answer=FAILED")
        spool, away = (pathlib.Path(site.mta.folder, name) for name in ("spool", "unmounted"))
        spool.rename(away)
        shutil.copytree(away, spool, ignore=lambda folder, names: [
            name for name in names if not pathlib.Path(folder, name).is_dir()])
        assert web.press(link, "send").status == 303
        until(lambda: [line for line in site.log("oops-queued")
                       if "not the one that was there" in line], 20, "it is noticed")
        never(lambda: site.audit("lost", id=hold), 5, "it was taken for lost")
        assert "is no longer here" not in web.get(link).text
        shutil.rmtree(spool)
        away.rename(spool)
        story.reaches(site, message, 60)
        until(lambda: site.audit("sent", id=hold), 60)
        until(lambda: site.mta.queued(queue_id) is None, 10)


def test_released_and_delivered_then_undo():
    with Site() as site:
        message, queue_id, hold, link = held(site)
        site.mta.release(queue_id)
        story.reaches(site, message)
        until(lambda: site.mta.queued(queue_id) is None, 10)
        assert web.press(link, "undo").status == 303
        check_lost(site, hold, link, "gone", "Your mail is no longer here")


@only("postfix")
def test_requeued_then_send():
    """`postsuper -r` gives the mail another name and sends it: no request of ours does."""
    with Site() as site:
        message, queue_id, hold, link = held(site)
        site.mta.requeue(queue_id)
        story.reaches(site, message, 20)
        assert web.press(link, "send").status == 303
        check_lost(site, hold, link, "gone", "Your mail is no longer here")
        story.reaches(site, message)


def test_released_and_waiting_then_undo():
    """It stands in the queue, not on hold: some have it, and the others will."""
    with Site() as site:
        story.teach(site)
        announcement = story.announce(site)
        last = story.COLLEAGUES[-1]
        site.receiver.refusals[last] = "450 4.2.0 later"
        message, queue_id = story.slip(site, announcement)
        hold, link = story.hold_of(site, queue_id), site.link(ANNA)
        site.mta.release(queue_id)
        until(lambda: site.mta.queued(queue_id) == "deferred", 20, "one must wait")
        assert web.press(link, "undo").status == 303
        check_lost(site, hold, link, "released", "released by the mail server")


def test_released_and_nobody_asks():
    """Held files are looked at every minute: it is noticed without a click."""
    with Site() as site:
        message, queue_id, hold, link = held(site)
        site.mta.release(queue_id)
        story.reaches(site, message)
        until(lambda: site.audit("lost", id=hold), 90, "it is noticed")


def test_one_part_of_several_is_released_by_hand():
    """Their names differ in a running number alone; the others are no pieces of it."""
    with Site({"undo": {"grace": "4s"}}) as site:
        story.teach(site)
        message = story.announce(site).reply_all(ANNA)
        everybody = message.recipients()
        with Submission(site.mta.port, ANNA) as submission:
            ids = [submission.send(message, recipients=everybody[start:start + 10])
                   for start in range(0, 40, 10)]
        hold, link = story.hold_of(site, ids[0]), site.link(ANNA)
        site.mta.release(ids[0])
        until(lambda: len(site.receiver.copies(message.id)) >= 10, 20, "ten have it")
        until(lambda: site.mta.queued(ids[0]) is None, 10)
        assert web.press(link, "undo").status == 303
        until(lambda: site.audit("lost", id=hold), 20, "it is noticed that a part has left")
        assert "Nobody has got it" not in web.get(link).text
        assert "may have" in site.returned(ANNA, 60)[0].data.decode()
        until(lambda: site.audit("return", id=hold), 20, "the others are back")
        assert len(site.receiver.copies(message.id)) == 10 and not site.held()


def test_stopped_is_said_once_it_was_seen():
    with Site() as site:
        message, queue_id, hold, link = held(site)
        site.end("oops-queued")
        site.allow("oops-milter: error: held mail stays on hold for now")
        assert web.press(link, "undo").status == 303
        page = web.get(link).text
        assert "to be stopped" in page and "Nobody has got it" not in page, page
        site.run("oops-queued")
        until(lambda: "Nobody has got it" in web.get(link).text, 20, "it was looked at")
        assert site.mta.queued(queue_id) == "hold"


def test_a_file_under_another_name_is_taken_over():
    """As after a queue that was moved: the mail is found by its tag, and sent, once."""
    with Site() as site:
        message, queue_id, hold, link = held(site)
        renamed = site.mta.rename(queue_id)
        assert web.press(link, "send").status == 303
        story.reaches(site, message, 20)
        line = until(lambda: site.audit("rename", id=hold), 5)[0]
        assert (line["was"], line["now"]) == (queue_id, renamed)
        until(lambda: site.audit("sent", id=hold), 10)
        assert not site.audit("lost", id=hold)


def test_check_names_holds_without_a_file():
    with Site() as site:
        _, queue_id, hold, _ = held(site)
        site.end("oops-milter")  # so that nobody notices
        site.allow("(?i)milter")
        assert "every hold has its file" in site.oopsctl("check").stdout
        site.mta.remove(queue_id)
        with contextlib.closing(sqlite3.connect(site.folder / "state/holds/holds.db")) as rows:
            rows.execute("UPDATE hold SET moved = moved - 100000")
            rows.commit()
        assert f"1 hold has no file on hold in the queue: {hold}" in site.oopsctl("check").stdout
        site.run("oops-milter")


def test_who_stopped_it_hears_that_it_left():
    """An admin frees the hold queue, and with it what its author had stopped."""
    with Site() as site:
        message, queue_id, hold, link = held(site)
        web.press(link, "undo")
        until(lambda: "Your mail was stopped" in web.get(link).text, 20)
        site.mta.release(queue_id)
        story.reaches(site, message, 20)
        web.get(link)  # whoever looks has it looked at
        letter = until(lambda: [one for one in site.letters(ANNA)
                                if "although it was stopped" in one.header("Subject")], 90)[0]
        text = " ".join(quopri.decodestring(letter.data).decode().split())
        assert message.subject in text and "40 people may have it" in text, text
        assert len(site.audit("lost", id=hold)) == 1
        until(lambda: len(site.audit("notice", id=hold)) == 2, 10)
        assert message.subject not in site.oopsctl("show", hold, check=True).stdout


def test_a_page_looks_for_itself():
    """Nobody is told for a minute that nobody has it: who loads the page has it looked at."""
    with Site() as site:
        message, queue_id, hold, link = held(site)
        until(lambda: "Nobody has got it. That was seen" in web.get(link).text, 10)
        site.mta.release(queue_id)
        until(lambda: "Nobody has got it" not in web.get(link).text, 15, "it is looked at")
        assert site.audit("lost", id=hold)
        assert not site.audit("request"), "looking decides nothing"

"""Undo: the brief window, its exact end, and the way back from an undone mail."""
import time

from lab import story, web
from lab.mail import PATIENCE, never, until
from lab.site import Site
from lab.story import ANNA


def undo_site(window, **more):
    """A site whose policy holds slips for a window only."""
    rule = {"action": "undo", "threshold": 0.9, "window": f"{window}s"}
    return Site({"policy": (rule,), **more})


def held_slip(site):
    story.teach(site)
    announcement = story.announce(site)
    held = time.time()  # or a little later, never earlier
    message, queue_id = story.slip(site, announcement)
    return message, queue_id, story.hold_of(site, queue_id), held


def test_leaves_by_itself_on_time():
    with undo_site(4) as site:
        message, _, hold, held = held_slip(site)
        letter = site.letters(ANNA)[0]  # the window begins when the MTA took it
        link = web.link_in(letter)
        story.reaches(site, message)
        arrived = site.receiver.received(message.id)[0].time
        late = arrived - letter.time - 4
        assert arrived >= held + 4 and late <= 1 * PATIENCE, f"left {late:.2f} s after its time"
        assert [line["announced"] for line in site.audit("expire", id=hold)] == ["yes"]
        until(lambda: site.audit("sent", id=hold), 5)
        page = web.get(link)
        stamp = time.strftime("%H:%M", time.localtime(arrived))
        before = time.strftime("%H:%M", time.localtime(arrived - 2))
        assert stamp in page.text or before in page.text, "the page does not say when it left"
        # too late, and told kindly
        assert web.press(link, "undo").status == 303
        assert web.get(link).status == 200
        assert site.receiver.copies(message.id) == dict.fromkeys(message.recipients(), 1)


def test_click_two_seconds_before_the_end_is_honoured():
    with undo_site(4 + 2 * PATIENCE) as site:
        message, queue_id, hold, held = held_slip(site)
        link = site.link(ANNA)
        time.sleep(max(0, held + 2 + 2 * PATIENCE - time.time()))
        assert web.press(link, "undo").status == 303
        never(lambda: site.receiver.received(message.id), 4, "an undone mail left")
        assert site.mta.queued(queue_id) == "hold"
        undone = site.audit("undo", id=hold)
        assert [line["by"] for line in undone] == ["link"]
        assert int(undone[0]["deadline"]) > held + 3600, "until when it can be restored"


def test_send_now_ends_the_window():
    with undo_site(60) as site:
        message, _, _, held = held_slip(site)
        web.press(site.link(ANNA), "send")
        story.reaches(site, message)
        assert time.time() - held < 50, "it waited for the window's end"


def test_undo_can_be_undone():
    with undo_site(60) as site:
        message, queue_id, hold, _ = held_slip(site)
        link = site.link(ANNA)
        first = web.fields(link, "undo")
        assert web.post(link, first).status == 303
        until(lambda: site.audit("undo", id=hold), 5)
        assert "<button" not in web.get(link).text
        assert web.post(link, first.replace("do=undo", "sure=yes&do=restore")).status == 303
        assert site.audit("request", id=hold)[-1]["refused"] == "stale"
        until(lambda: 'value="restore"' in web.get(link).text, 10, "the way back")
        assert site.mta.queued(queue_id) == "hold"
        web.press(link, "restore")
        story.reaches(site, message)
        until(lambda: site.audit("restore", id=hold), 5)
        until(lambda: site.audit("sent", id=hold), 5)


def test_undone_mail_returns_to_the_author_after_the_grace():
    with undo_site(60, undo={"grace": "3s"}) as site:
        message, queue_id, hold, _ = held_slip(site)
        link = site.link(ANNA)
        web.press(link, "undo")
        returned = until(lambda: [one for one in site.receiver.received(recipient=ANNA)
                                  if message.id.encode() in one.data], 12, "it comes back")
        assert len(returned) == 1 and returned[0].sender == "oops@example.com"
        until(lambda: site.audit("return", id=hold), 5)
        assert not site.receiver.received(message.id)
        until(lambda: site.mta.queued(queue_id) is None, 5)
        web.press(link, "restore")
        assert web.get(link).status == 200
        never(lambda: site.receiver.received(message.id), 1)


def test_undone_mail_is_deleted_when_the_site_says_so():
    with undo_site(60, undo={"grace": "2s", "after_grace": "delete"}) as site:
        message, queue_id, hold, _ = held_slip(site)
        web.press(site.link(ANNA), "undo")
        until(lambda: site.audit("delete", id=hold), 10)
        until(lambda: site.mta.queued(queue_id) is None, 5)
        assert not [one for one in site.receiver.received() if message.id.encode() in one.data]


def test_the_admin_can_do_all_of_it_too():
    with undo_site(60) as site:
        message, queue_id, hold, _ = held_slip(site)
        site.letters(ANNA)  # until Postfix shows the file, there is nothing to decide
        assert hold in site.oopsctl("list", check=True).stdout
        assert site.oopsctl("undo", hold).returncode == 0
        assert site.mta.queued(queue_id) == "hold"
        assert site.oopsctl("restore", hold).returncode == 0
        story.reaches(site, message)
        until(lambda: site.audit("sent", id=hold), 5)
        assert site.oopsctl("send", hold).returncode == 0, "already sent is what was wished"
        assert site.oopsctl("send", "aaaaaaaaaaaaaaaa").returncode != 0

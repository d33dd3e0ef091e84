"""A reply to everybody by somebody who answers authors alone: held until its author decides."""
import concurrent.futures
import threading
import time

from lab import story, web
from lab.mail import PATIENCE, Message, Submission, never, own_part, until
from lab.site import Site
from lab.story import ANNA

# What mail scanners, link previews and browsers send when they look at a link.
SCANNERS = [
    {"User-Agent": "Mozilla/5.0 (compatible; SafeLinks)", "Accept": "*/*"},
    {"User-Agent": "BarracudaCentral", "Range": "bytes=0-1023"},
    {"User-Agent": "Mozilla/5.0", "Purpose": "prefetch", "Sec-Purpose": "prefetch"},
    {"User-Agent": "curl/7.88.1", "X-HTTP-Method-Override": "POST"},
]


def held_slip(site, **arguments):
    """Teaches, announces, slips; the message, its queue id and its hold."""
    story.teach(site)
    message, queue_id = story.slip(site, story.announce(site), **arguments)
    return message, queue_id, story.hold_of(site, queue_id)


def test_held_and_letter_to_the_sender_only():
    with Site() as site:
        story.teach(site)
        announcement = story.announce(site)
        message, queue_id = story.slip(site, announcement)
        sent = time.time()
        hold = story.hold_of(site, queue_id)
        letter = site.letters(ANNA)[0]
        assert letter.time - sent < 5 * PATIENCE, f"it came after {letter.time - sent:.1f} s"
        assert site.mta.queued(queue_id) == "hold"
        assert letter.recipients == [ANNA] and letter.sender == ""
        assert letter.header("Auto-Submitted") == "auto-generated"
        assert letter.header("Oops-Milter-Inject") is None, "our proof leaves the site"
        line = site.audit("hold", id=hold)[0]
        assert (line["sender"], line["action"], line["recipients"]) == (ANNA, "confirm", "40")
        # asked for once, seen once
        held = until(lambda: site.audit("held", id=hold), 10, "the queue showed it")
        assert len(held) == len(site.audit("hold", id=hold)) == 1
        assert (held[0]["queue_ids"], held[0]["was"], held[0]["now"]) == (
            queue_id, "PENDING", "HELD"), held
        # one act, one letter; nobody else heard of it
        never(lambda: len(site.receiver.received()) > 1, 2, "a second letter")
        assert not site.receiver.received(message.id)


def test_looking_changes_nothing():
    with Site() as site:
        message, queue_id, hold = held_slip(site)
        link = site.link(ANNA)
        for number in range(20):
            page = web.get(link, SCANNERS[number % len(SCANNERS)])
            assert page.status == 200
            assert web.head(link, SCANNERS[number % len(SCANNERS)]).status == 200
        for path in ("?do=send", "/send", "?send", "?do=undo&confirm=1"):
            web.get(link + path)
        assert site.mta.queued(queue_id) == "hold"
        assert not site.audit("request") and not site.receiver.received(message.id)
        assert "held" in site.oopsctl("show", hold, check=True).stdout.lower()


def test_send_reaches_everybody_once_with_the_same_bytes():
    body = "Dear Clara,\r\n\r\n.dots at the start\r\n\u00e4\u00f6\u00fc " + "x" * 900 + "\r\n"
    with Site() as site:
        message, queue_id, hold = held_slip(site, body=body.replace("\r\n", "\n"))
        page = web.press(site.link(ANNA), "send")
        assert page.status == 303
        story.reaches(site, message)
        delivery = site.receiver.received(message.id)[0]
        assert site.mta.plain(own_part(delivery.data)) == site.mta.plain(message.data())
        tag = delivery.header("Oops-Milter")
        assert tag and f"id={hold}" in tag
        until(lambda: site.audit("sent", id=hold), 5)
        until(lambda: site.mta.queued(queue_id) is None, 5)


def test_second_click_tells_what_happened():
    with Site() as site:
        message, _, hold = held_slip(site)
        link = site.link(ANNA)
        web.press(link, "send")
        story.reaches(site, message)
        until(lambda: site.audit("sent", id=hold), 5)
        for do in ("send", "undo", "restore"):
            assert web.press(link, do).status == 303
        page = web.get(link)
        assert page.status == 200 and "sent" in page.text.lower()
        never(lambda: set(site.receiver.copies(message.id).values()) != {1}, 1)
        assert len(granted(site, hold)) == 1


def granted(site, hold):
    """The requests that moved something."""
    return [line for line in site.audit("request", id=hold) if line["was"] != line["now"]]


def test_fifty_parallel_sends_release_once():
    with Site() as site:
        message, _, hold = held_slip(site)
        link = site.link(ANNA)
        together, form = threading.Barrier(50), web.fields(link, "send")

        def click(_):
            together.wait()
            return web.post(link, form).status
        with concurrent.futures.ThreadPoolExecutor(50) as clicks:
            answers = set(clicks.map(click, range(50)))
        assert answers == {303}, answers
        story.reaches(site, message)
        until(lambda: site.audit("sent", id=hold), 5)
        assert len(granted(site, hold)) == 1
        assert {line["client"] for line in site.audit("request", id=hold)} == {"127.0.0.1"}
        assert len(site.audit("send", id=hold)) == 1
        assert len(site.audit("sent", id=hold)) == 1


def test_confirming_teaches():
    with Site() as site:
        message, _, hold = held_slip(site)
        before = site.threads()
        web.press(site.link(ANNA), "send")
        story.reaches(site, message)
        until(lambda: site.audit("sent", id=hold), 5)
        story.learned(site, before + 1)
        again = Message(ANNA, message.recipients(), "Cake, the second")
        queue_id = site.send(again)
        story.reaches(site, again)
        assert not [line for line in site.audit("hold") if line["queue_id"] == queue_id]


def test_undoing_does_not_teach():
    with Site() as site:
        message, _, hold = held_slip(site)
        web.press(site.link(ANNA), "undo")
        until(lambda: site.audit("undo", id=hold), 5)
        time.sleep(story.LEARNED_SECONDS)
        again, queue_id = story.slip(site, story.announce(site, subject="More cake"))
        story.hold_of(site, queue_id)
        assert site.mta.queued(queue_id) == "hold"


def test_split_by_the_client_is_one_act():
    """The same message in two transactions: one hold, one letter, one decision."""
    with Site() as site:
        story.teach(site)
        message = story.announce(site).reply_all(ANNA, "Is there some left?\n")
        message.bcc = [f"stranger{number}@example.org" for number in range(40)]
        half = len(message.recipients()) // 2
        with Submission(site.mta.port, ANNA) as submission:
            ids = [submission.send(message, recipients=part) for part in (
                message.recipients()[:half], message.recipients()[half:])]
        holds = {story.hold_of(site, queue_id) for queue_id in ids}
        assert len(holds) == 1, holds
        link = site.link(ANNA)
        never(lambda: len(site.letters(ANNA)) > 1, 2, "a second letter")
        web.press(link, "send")
        story.reaches(site, message)


def test_expiry_returns_to_the_author():
    with Site({"confirm": {"expires": "3s"}}) as site:
        message, queue_id, hold = held_slip(site)
        until(lambda: site.audit("expire", id=hold), 10)
        until(lambda: [one for one in site.receiver.received(recipient=ANNA)
                       if message.id.encode() in one.data], 10, "it comes back to Anna")
        until(lambda: site.audit("return", id=hold), 5)
        assert not site.receiver.received(message.id)
        until(lambda: site.mta.queued(queue_id) is None, 5)


def test_expiry_sends_when_the_site_says_so():
    with Site({"confirm": {"expires": "3s", "on_expiry": "send"}}) as site:
        message, _, hold = held_slip(site)
        story.reaches(site, message)
        until(lambda: site.audit("sent", id=hold), 5)


def test_nothing_is_kept_after_it_is_over():
    with Site() as site:
        message, _, hold = held_slip(site)
        web.press(site.link(ANNA), "send")
        story.reaches(site, message)
        until(lambda: site.audit("sent", id=hold), 5)
        for name in ("oops-milter", "oops-web"):
            site.end(name)
        kept = b"".join(path.read_bytes() for path in (site.folder / "state").rglob("*")
                        if path.is_file())
        for trace in (message.subject, "colleague07", "Is there some left"):
            assert trace.encode() not in kept, f"{trace} is still in the store"

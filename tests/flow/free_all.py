"""The emergency exit: held mail leaves by the queue files alone, except what its author stopped."""
import shutil
import socket

from lab import story
from lab.mail import never, until
from lab.site import Site
from lab.story import ANNA

SETTINGS = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                       {"action": "pass"}), "budget": {"sender_day": 0, "site_thousand": 0}}


def run(site, code, *arguments):
    """Runs a command that must end with this code; what it printed."""
    done = site.oopsctl(*arguments)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def slips(site, count):
    """Slips on hold, each with its queue id and its hold's."""
    story.teach(site)
    found = []
    for number in range(count):
        announcement = story.announce(site, subject=f"News {number}")
        message, queue_id = story.slip(site, announcement)
        until(lambda q=queue_id: site.mta.queued(q) == "hold", 5, "the slip is held")
        hold = story.hold_of(site, queue_id)
        until(lambda h=hold: site.audit("held", id=h), 10, "the scheduler saw it")
        found.append((message, queue_id, hold))
    return found


def stop(site, queue_id, hold):
    """Its author stops it, and oops-queued writes that into the queue file."""
    run(site, 0, "undo", hold)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(30)
        peer.connect(f"{site.folder}/run/queue.sock")
        peer.sendall(f"STOP 1\n{queue_id} {hold}\n".encode())
        assert peer.recv(1000).startswith(f"{queue_id} HELD\n".encode())


def end_of_us(site):
    """Nothing of ours is left but the settings and the key."""
    for name in ("oops-web", "oops-milter", "oops-queued"):
        site.end(name, by=9)
    shutil.rmtree(site.folder / "state")


def test_frees_by_the_queue_alone():
    with Site(SETTINGS) as site:
        site.allow(r"oops-queued|oops-milter|Connection refused|No such file")
        (sent, first, hold), (stopped, second, other) = slips(site, 2)
        stop(site, second, other)
        assert f"kept: {second} {other}: its author stopped it" in run(
            site, 0, "free-all", "--dry-run")
        assert "oops-milter runs: stop it first" in run(site, 69, "free-all")
        assert set(site.held()) == {first, second}
        end_of_us(site)
        said = run(site, 0, "free-all")
        assert f"freed: {first} {hold}" in said and "1 freed, 1 kept, 0 forged" in said, said
        story.reaches(site, sent)
        assert site.held() == [second]
        never(lambda: site.receiver.copies(stopped.id), 1, "it was stopped")
        assert "0 freed, 1 kept" in run(site, 0, "free-all")


def test_leaves_forged_tags_alone():
    with Site(SETTINGS) as site:
        site.allow(r"oops-queued|oops-milter|Connection refused|No such file")
        (message, queue_id, hold), = slips(site, 1)
        end_of_us(site)
        key = site.folder / "secret.key"
        key.rename(site.folder / "elsewhere.key")
        assert "without the key" in run(site, 66, "free-all")
        run(site, 0, "init")  # another key: none of its tags
        said = run(site, 0, "free-all")
        assert f"left alone: {queue_id} {hold}: its tag is not ours" in said, said
        assert site.held() == [queue_id]
        assert f"would free: {queue_id} {hold}" in run(
            site, 0, "free-all", "--dry-run", "--without-key")
        assert f"freed: {queue_id} {hold}" in run(site, 0, "free-all", "--without-key")
        story.reaches(site, message)
        assert "usage" in run(site, 64, "free-all", "--everything")


def test_by_hand_it_is_as_the_readme_says():
    """Stop us, then the mail server's own tools: everything leaves, what was stopped included."""
    with Site(SETTINGS) as site:
        site.allow(r"oops-queued|oops-milter|Connection refused|No such file|Broken pipe")
        (sent, _, _), (stopped, queue_id, other) = slips(site, 2)
        stop(site, queue_id, other)
        end_of_us(site)
        site.mta.release()
        story.reaches(site, sent)
        story.reaches(site, stopped)
        until(lambda: not site.held(), 5)

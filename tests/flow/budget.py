"""People are not interrupted too often, and a site that only looks is not interrupted at all."""
import concurrent.futures
import re
import threading

from lab import story
from lab.mail import Message, Submission, never, until
from lab.milter import Milter, fields_of
from lab.site import Site
from lab.story import ANNA

CONFIRM = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                      {"action": "pass"})}


def judged(site, message):
    """What the auditor reads of the latest judgement, once it is there."""
    return until(lambda: [line for line in site.audit("judge", sender=ANNA)], 5,
                 f"{message.subject} is judged")[-1]


def slip(site, number):
    """Another slip: what the auditor reads of it, and the message."""
    before = len(site.audit("judge", sender=ANNA))
    message, _ = story.slip(site, story.announce(site, subject=f"Cake {number}"))
    until(lambda: len(site.audit("judge", sender=ANNA)) > before, 5, "it is judged")
    return judged(site, message), message


def test_a_sender_is_interrupted_so_often_and_no_more():
    settings = {**CONFIRM, "budget": {"sender_day": 2, "site_thousand": 0}}
    with Site(settings) as site:
        story.teach(site)
        for number in range(2):
            line, _ = slip(site, number)
            assert (line["action"], line["wanted"]) == ("confirm", "confirm")
            assert line["limited_by"] == "-"
        assert line["gate"].startswith(("new_site:", "percentile:")), line
        line, message = slip(site, 2)
        assert (line["action"], line["wanted"]) == ("undo", "confirm"), line
        assert (line["limited_by"], line["gate"]) == ("sender", "budget_sender:2"), line
        # the budget is counted in what is durable, not in what this process remembers
        site.end("oops-milter")
        site.run("oops-milter")
        line, message = slip(site, 3)
        assert (line["action"], line["limited_by"]) == ("undo", "sender"), line
        scores = {one["score"] for one in site.audit("judge", sender=ANNA)}
        assert all(float(score) > 0.5 for score in scores), scores


def test_undo_becomes_a_tag():
    settings = {"policy": ({"match": {"sender": ANNA}, "action": "undo", "threshold": 0.5},
                           {"action": "pass"}),
                "budget": {"sender_day": 1, "site_thousand": 0}, "undo": {"window": "1h"}}
    with Site(settings) as site:
        story.teach(site)
        line, _ = slip(site, 0)
        assert line["action"] == "undo"
        line, message = slip(site, 1)
        assert (line["action"], line["limited_by"]) == ("tag", "sender"), line
        story.reaches(site, message)
        tag = site.receiver.received(message.id)[0].header("Oops-Milter")
        assert tag and re.fullmatch(r"id=[a-z2-7]{16}; action=tag", tag.strip()), tag


def test_the_site_has_a_budget_too():
    settings = {**CONFIRM, "budget": {"sender_day": 0, "site_thousand": 1, "site_day": 1}}
    with Site(settings) as site:
        story.teach(site)
        line, _ = slip(site, 0)
        assert line["action"] == "confirm"
        line, _ = slip(site, 1)
        assert (line["action"], line["limited_by"]) == ("undo", "site"), line


def test_nobody_spends_what_is_everybodys():
    """A program sends a hundred slips under one name; then somebody else makes hers."""
    script = "script@example.com"
    crowd = {"match": {"sender": script, "people_min": 20}, "action": "confirm", "threshold": 0.01}
    for sender_day, confirmed in ((3, 3), (0, 100)):
        settings = {"policy": (crowd, *CONFIRM["policy"]),
                    "budget": {"sender_day": sender_day, "site_thousand": 1, "site_day": 10}}
        with Site(settings) as site:
            story.teach(site)
            story.teach(site, script)
            with Milter(f"{site.folder}/run/milter.sock") as peer:
                peer.connect()
                for number in range(100):
                    message = Message(script, story.COLLEAGUES, f"Slip {number}")
                    peer.envelope(script, message.recipients(), script)
                    if peer.header(fields_of(message), f"4QUEUE{number:03}") == "c":
                        peer.body(b"Hello\r\n", f"4QUEUE{number:03}")
            actions = [line["action"] for line in site.audit("judge", sender=script, people="39")]
            assert actions.count("confirm") == confirmed, actions
            line, _ = slip(site, 0)
            assert (line["action"], line["limited_by"]) == ("confirm", "-"), line


def test_the_budget_is_exact_side_by_side():
    """Thirteen mails at the same moment: three questions, and not one more."""
    crowd = {"match": {"sender": ANNA, "people_min": 20}, "action": "confirm", "threshold": 0.01}
    settings = {"policy": (crowd,), "budget": {"sender_day": 3, "site_thousand": 0}}
    with Site(settings) as site:
        story.teach(site)
        together = threading.Barrier(13)

        def send(number):
            message = Message(ANNA, story.COLLEAGUES[:25], f"Patch {number}")
            with Submission(site.mta.port, ANNA) as submission:
                together.wait()
                return submission.send(message)
        with concurrent.futures.ThreadPoolExecutor(13) as pool:
            list(pool.map(send, range(13)))
        lines = site.audit("judge", sender=ANNA, people="25")
        assert [line["action"] for line in lines if line["limited_by"] == "-"] == ["confirm"] * 3
        assert [line["action"] for line in lines if line["limited_by"] == "sender"] == [
            "undo"] * 10


def test_monitor_holds_nothing():
    with Site({**CONFIRM, "monitor": True}) as site:
        story.teach(site)
        line, message = slip(site, 0)
        assert (line["action"], line["wanted"], line["limited_by"]) == (
            "tag", "confirm", "monitor"), line
        story.reaches(site, message)
        never(site.held, 1, "something is held")
        tag = site.receiver.received(message.id)[0].header("Oops-Milter")
        assert tag and "action=tag" in tag

"""What an admin does by hand: oopsctl on a site with mail on hold."""

import re
import subprocess

from lab import story
from lab.mail import never, until
from lab.site import Site
from lab.story import ANNA

# Whatever the others do is usual here.
SETTINGS = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                       {"action": "pass"})}
NOBODY = "abcdefghabcdef27"  # a well-formed id that no mail has


def run(site, code, *arguments):
    """Runs a command that must end with this code; what it printed."""
    done = site.oopsctl(*arguments)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def slip(site):
    """A slip of Anna's on hold: the message, its queue id and its hold."""
    story.teach(site)
    message, queue_id = story.slip(site, story.announce(site))
    until(lambda: site.mta.queued(queue_id) == "hold", 5, "the slip is held")
    until(lambda: " held " in run(site, 0, "list"), 10, "the keeper saw it")
    return message, queue_id, story.hold_of(site, queue_id)


def test_an_admin_looks_and_sends():
    with Site(SETTINGS) as site:
        assert "nothing is held" in run(site, 0, "list")
        message, queue_id, hold = slip(site)
        listed = run(site, 0, "list")
        assert hold in listed and ANNA in listed and message.subject in listed
        assert re.search(rf"\n{hold} .* 40 +40  {ANNA}", listed) and "  PEOPLE  " in listed, listed
        shown = run(site, 0, "show", hold)
        for expected in (ANNA, message.subject, queue_id, "state:       held", "colleague07@",
                         "reason:", "then it is returned"):
            assert expected in shown, f"{expected} is not in\n{shown}"
        if site.kind == "postfix":
            named = re.search(r"and (\d+) more: (postcat .*) names them all", shown)
            told = subprocess.run(named[2].split(), capture_output=True, text=True, check=True)
            assert int(named[1]) == 20 and told.stdout.count("\nrecipient: colleague") == 39, told.stdout
        assert site.mta.queued(queue_id) == "hold" and not site.receiver.copies(message.id)
        assert "was not undone" in run(site, 65, "restore", hold)
        assert f"{hold}: sending (was held)" in run(site, 0, "send", hold)
        story.reaches(site, message)
        score = re.search(r"\nscore: +([0-9.]+)\n", shown)[1]
        assert score == site.audit("hold", id=hold)[0]["score"], "one score, one way"
        until(lambda: "over since" in run(site, 0, "show", hold), 5, "the state is sent")
        over = run(site, 0, "show", hold)
        assert "\nwiped:       subject, recipients and values of reasons, when" in over, over
        assert "subject:" not in over.replace("wiped:       subject", "") and "colleague" not in over
        assert "already sent at " in run(site, 0, "send", hold)
        assert "too late to undo" in run(site, 65, "undo", hold)
        assert hold not in run(site, 0, "list")
        assert hold in run(site, 0, "list", "--all")
        never(lambda: max(site.receiver.copies(message.id).values()) > 1, 1, "sent twice")


def test_an_admin_undoes_and_restores():
    with Site(SETTINGS) as site:
        message, queue_id, hold = slip(site)
        run(site, 0, "undo", hold)
        never(lambda: site.receiver.copies(message.id), 1, "the undone mail was sent")
        assert site.mta.queued(queue_id) == "hold"
        assert "already undone at " in run(site, 0, "undo", hold)
        assert "oopsctl restore" in run(site, 65, "send", hold)
        run(site, 0, "restore", hold)
        story.reaches(site, message)


def test_what_is_not_there_is_said():
    with Site(SETTINGS) as site:
        for command in ("show", "send", "undo", "restore"):
            assert NOBODY in run(site, 66, command, NOBODY)
            assert "there is no hold" in run(site, 66, command, "../../etc/passwd")
            assert "usage" in run(site, 64, command)
        assert "usage" in run(site, 64, "frobnicate")
        assert "usage" in run(site, 64, "help", "frobnicate")
        assert "  policy " in run(site, 0, "help") and "  help" not in run(site, 0, "help")
        said = run(site, 0, "help", "policy")
        assert "--to ADDRESS" in said and "--recipient" not in said, said
        assert "usage" in run(site, 64, "list", "--none")
        assert "No such file" in run(site, 66, "explain", "/nonexistent/message")
        again = run(site, 0, "init")
        assert "made:" not in again and again.count("there:") == 3
        site.conf.write_text("node = 7;\n")
        assert f"{site.conf}:1: " in run(site, 78, "list")


def timeless(said):
    """What explain said, without the age of the answered mail: that grows by itself."""
    return [line for line in said.splitlines() if "minutes_since_parent" not in line]


def test_explain_tells_and_learns_nothing():
    with Site(SETTINGS) as site:
        story.teach(site)
        announcement = story.announce(site)
        message = announcement.reply_all(ANNA, "Dear Clara,\n")
        path = site.folder / "message.eml"
        path.write_text(message.text(), encoding="utf-8")
        said = run(site, 0, "explain", str(path))
        assert ANNA in said and "40 addresses" in said and "\nconfirm (" in said, said
        again = run(site, 0, "explain", str(path))
        assert timeless(again) == timeless(said), "it has learned"
        few = run(site, 0, "explain", "--to", "colleague01@example.com", str(path))
        assert "1 address, 1 person\n" in few and "\npass (" in few, few
        other = run(site, 0, "explain", str(path), "--sender", "eve@elsewhere.example")
        assert "not in identity.local_domains" in other and "would" not in other, other
        for field in ("Auto-Submitted: auto-replied", "List-Id: <all.example.com>"):
            path.write_text(f"{field}\n{message.text()}", encoding="utf-8")
            for command in ("explain", "policy"):
                said = run(site, 0, command, "--login", ANNA, str(path))
                assert "\nnote: " in said and said.count("\npass: the milter does not judge") == 1
                assert "\nconfirm (" not in said and "score " not in said, said
                assert "and decides" not in said, said
        path.write_text("no header at all\n")
        assert "does not begin with a header field" in run(site, 65, "explain", str(path))
        assert not site.held()

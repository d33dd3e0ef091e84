"""What the past tells: oopsctl learn from the log of a real MTA, and oopsctl forget."""
import fcntl
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import termios
import threading
import time

from lab import story
from lab.mail import Message, until
from lab.site import Site
from lab.story import ANNA, COLLEAGUES

SETTINGS = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                       {"action": "pass"})}


def run(site, code, *arguments):
    """Runs a command that must end with this code; what it printed."""
    done = site.oopsctl(*arguments)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def files(site):
    """All bytes of the state directory."""
    return b"".join(path.read_bytes() for path in (site.folder / "state").rglob("*")
                    if path.is_file())


def test_a_site_learns_from_its_log_and_judges_by_it():
    with Site(SETTINGS) as old:
        story.teach(old)
        until(lambda: not old.mta.queue(), 20, "everything left")
        log = old.mta.log()
        with Site(SETTINGS) as site:
            path = site.folder / "old.log"
            path.write_text("".join(line.rstrip("\n") + "\n" for line in log), encoding="utf-8")
            said = run(site, 0, "learn", "--format", "log", str(path))
            assert "learned: 0 " not in said and "malformed: 0" in said, said
            again = run(site, 0, "learn", str(path))
            assert "learned: 0 mails" in again, again
            announcement = story.announce(site)
            _, queue_id = story.slip(site, announcement)
            until(lambda: site.mta.queued(queue_id) == "hold", 5, "the slip is held")
            until(lambda: " held " in run(site, 0, "list"), 10, "the keeper saw it")
            hold = story.hold_of(site, queue_id)
            assert hold in run(site, 75, "forget", ANNA)
            run(site, 0, "send", hold)
            until(lambda: site.audit("sent", id=hold), 10, "it is sent")
            assert ANNA.encode() in files(site)
            assert "forgotten: " in run(site, 0, "forget", ANNA)
            assert ANNA.encode() not in files(site)
            run(site, 66, "show", hold)


def test_what_cannot_be_learned_is_said():
    with Site(SETTINGS) as site:
        assert "usage" in run(site, 64, "learn")
        assert "usage" in run(site, 64, "learn", "--format", "tea", "x")
        assert "No such file" in run(site, 66, "learn", "/nonexistent")
        bad = site.folder / "bad"
        bad.write_text("1\t2\n")
        assert f"{bad}:1: " in run(site, 65, "learn", "--format", "tsv", str(bad))
        subprocess.run(["gzip", str(bad)], check=True)
        assert "zcat" in run(site, 65, "learn", f"{bad}.gz")
        junk = site.folder / "junk"
        junk.write_text("some words\n")
        assert "no line of a mail server" in run(site, 65, "learn", str(junk))
        assert "no line has a time stamp" in run(site, 65, "learn", "--format", "log", str(junk))
        log = site.folder / "mail.log"
        log.write_text("Nov 20 10:00:00 mx postfix/qmgr[9]: 4fHnb65Wz9zJq2: removed\n" * 9)
        for kind in ("mbox", "message"):
            said = run(site, 65, "learn", "--format", kind, str(log))
            assert f"{log}: nothing in it could be read as {kind}: " in said, said
        box = site.folder / "box"
        box.write_text("".join(f"From a Fri Nov 20 10:00:0{number} 2026\nFrom: {ANNA}\n"
                               f"To: b@x.org\nDate: Fri, 20 Nov 2026 10:00:0{number} +0000\n\n"
                               "Hi\n\n" for number in range(3)))
        assert f"{box}: it is a mailbox (mbox) of several messages" in run(
            site, 65, "learn", "--format", "message", str(box))
        assert "learned: 3 mails" in run(site, 0, "learn", str(box))
        empty = site.folder / "empty"
        empty.mkdir()
        for kind in ("log", "mbox", "message", "tsv"):
            assert f"{empty} is a folder: the format {kind} is for files" in run(
                site, 65, "learn", "--format", kind, str(empty))
        assert "a Maildir has the folders cur and new" in run(site, 65, "learn", str(empty))
        for name in ("cur", "new"):
            (empty / name).mkdir()
        nothing = site.folder / "nothing"
        nothing.write_text("")
        for words in ((empty,), ("--format", "maildir", empty), (nothing,), (nothing, empty),
                      *(("--format", kind, nothing) for kind in ("log", "mbox", "tsv"))):
            assert "nothing was read: " in run(site, 66, "learn", *map(str, words)), words
        assert "learned: 0 mails; known before: 3;" in run(site, 0, "learn", str(nothing),
                                                           str(box))
        letter = site.folder / "letter"
        letter.write_text(f"From: \"oops-milter\" <oops@example.com>\nTo: {ANNA}\n"
                          "Message-ID: <own@example.com>\n"
                          f"Date: {time.strftime('%d %b %Y %H:%M:%S +0000', time.gmtime())}\n\nHi\n")
        said = run(site, 0, "learn", "--format", "message", str(letter))
        assert "learned: 0 mails" in said and "own letters: 1;" in said, said
        assert "usage" in run(site, 64, "forget")
        assert "no address" in run(site, 65, "forget", "<>")


class Syslog:
    """A place of its own for what a command tells the system's log."""

    def __init__(self, site):
        self.path = site.folder / "syslog"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(60)

    def command(self, site, *arguments):
        """The words that run oopsctl with its /dev/log there."""
        script = ("mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && "
                  "mknod -m 666 /dev/urandom c 1 9 && ln -s \"$0\" /dev/log && exec \"$@\"")
        return ["unshare", "-m", "sh", "-c", script, str(self.path), str(site.build / "oopsctl"),
                "-c", str(site.conf), *arguments]

    def line(self, event):
        """The next audit line of an event."""
        while True:
            text = self.socket.recv(65536).decode()
            if f" event={event} " in text:
                return dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)


def test_whoever_ends_it_is_told_how_far_it_came():
    """By Ctrl-C as by SIGTERM: counts, an audit line with the user, and the code of the signal."""
    line = "{0}\t" + ANNA + "\tben@example.com\t<m{1}@x>\t-\tsend\n"
    with Site(SETTINGS) as site:
        syslog = Syslog(site)
        for number, how in enumerate((signal.SIGINT, signal.SIGTERM)):
            begin = int(time.time()) - 86400
            with subprocess.Popen(
                    syslog.command(site, "learn", "--format", "tsv", "-"), text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    env={**os.environ, "SUDO_USER": "carol"}, preexec_fn=heeds_all) as process:
                for mail in range(4000):
                    process.stdin.write(line.format(begin + mail, f"{number}.{mail}"))
                process.stdin.flush()
                until(lambda p=process: has_read_all(p), 60, "it has read all there is")
                process.send_signal(how)
                said, errors = process.communicate(timeout=60)
            assert process.returncode == 128 + how, (process.returncode, said, errors)
            learned = int(re.match(r"learned: (\d+) mails;", said)[1])
            assert 0 < learned <= 4000 and "told to end" in errors, said + errors
            audit = syslog.line("learn")
            assert (audit["learned"], audit["answer"]) == (str(learned), "stopped"), audit
            assert (audit["uid"], audit["sudo_user"]) == ("0", "carol"), audit


def heeds_all():
    """For a process whose parent may ignore Ctrl-C, as what a shell runs in the background does."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def has_read_all(process):
    """Has it taken everything out of the pipe to it?"""
    left = fcntl.ioctl(process.stdin, termios.FIONREAD, b"\0" * 4)
    return int.from_bytes(left, sys.byteorder) == 0


def test_an_interrupted_backtest_leaves_whole_lines():
    with Site(SETTINGS) as site:
        command = [str(site.build / "oopsctl"), "backtest", "--input", "-", "--output", "-"]
        with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, preexec_fn=heeds_all) as process:
            for mail in range(3000):
                process.stdin.write(f"{10 ** 9 + mail}\ta@example.com\tb@example.com\t-\t-\tsend\n")
            process.stdin.flush()
            ready = []
            reader = threading.Thread(target=lambda: ready.append(process.stdout.read()))
            reader.start()
            until(lambda: has_read_all(process), 60, "it has read all there is")
            process.send_signal(signal.SIGINT)
            reader.join(60)
            assert process.wait(60) == 130
            errors = process.stderr.read()
        lines = ready[0].splitlines(keepends=True)
        assert lines and lines[-1].count("\t") == 3 and lines[-1].endswith("\n"), lines[-1]
        assert f"told to end after line {len(lines)}\n" in errors, errors


def history(list_address):
    """Half a year of Anna's: notes to one to three colleagues, and a mail a week to a list."""
    now, week = int(time.time()), 7 * 86400
    lines = []
    for number in range(26):
        begin = now - (27 - number) * week
        few = ",".join(COLLEAGUES[number % 5:number % 5 + 1 + number % 3])
        lines.append(f"{begin}\t{ANNA}\t{few}\t<note{number}@x>\t-\tsend\n")
        lines.append(f"{begin + 60}\t{ANNA}\t{list_address}\t<week{number}@x>\t-\tsend\n")
    return "".join(lines)


def test_a_list_of_the_past_counts_as_its_people():
    weekly, other = "weekly@example.com", "other@example.com"
    # as many as every week, and it would count as the regular mailing
    lists = ({"address": weekly, "members": 40}, {"address": other, "members": 400})
    with Site({**SETTINGS, "lists": lists}) as site:
        path = site.folder / "history"
        path.write_text(history(weekly), encoding="utf-8")
        assert "learned: 52 " in run(site, 0, "learn", str(path))
        news = Message(ANNA, [weekly], "News")
        explained = site.folder / "message"
        explained.write_text(news.text(), encoding="utf-8")
        said = run(site, 0, "explain", str(explained))
        assert "40 people" in said and "\npass (" in said, said
        site.send(news)
        until(lambda: site.receiver.received(news.id), 20, "the usual list is no slip")
        story.hold_of(site, site.send(Message(ANNA, [other], "News")))


def on_terminal(site, *arguments):
    """A command whose standard error is a terminal: its exit code, and what it wrote there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([str(site.build / "oopsctl"), "-c", str(site.conf), *arguments],
                          stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:  # nobody has the other end open any more
            pass
    os.close(ours)
    return process.returncode, said.decode()


def test_a_bar_shows_how_far_it_is():
    with Site(SETTINGS) as site:
        path = site.folder / "history"
        path.write_text(history("weekly@example.com"), encoding="utf-8")
        code, said = on_terminal(site, "learn", str(path))
        shares = [int(share) for share in re.findall(r"\] +(\d+)% ", said)]
        assert code == 0 and shares and shares[-1] == 100 and shares == sorted(shares), said
        assert f"\r[{'#' * 40}] 100% {str(path)[:30]}" in said, said
        assert said.endswith("\r\x1b[K"), said  # the line is left empty
        code, said = on_terminal(site, "learn", "/nonexistent")
        assert code == 66 and "%" not in said, said
        # Where nobody watches there is no bar.
        assert "%" not in run(site, 0, "learn", str(path))


test_a_bar_shows_how_far_it_is.only = "postfix"  # Sendmail's own root has no terminals

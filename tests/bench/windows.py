"""How late undo windows end when many of them end within moments.

A whole site holds the mail. Then its milter is stopped, the ends of all windows are drawn anew
(as if people had sent within those moments) and the milter is started again. A mail has left
when its receiver has it. The same Postfix is asked for the same by hand, as an admin does:
`postsuper -H` of all and one flush.
"""
import contextlib
import random
import sqlite3
import threading
import time

from lab.mail import Message, Submission, until
from lab.site import Site

SETTLE = 10  # seconds until the first window ends: enough to start, and to look at every file

HABITS = {"learning_site_sends": 0, "learning_sends": 0, "learning_sends_new_site": 0,
          "min_scores": 10_000_000}
MANY = {"sender_day": 100_000, "site_day": 1_000_000, "site_thousand": 1000}
SETTINGS = {"policy": ({"action": "undo", "threshold": 0, "window": "1h"},),
            "judge": HABITS, "budget": MANY, "storm": {"enabled": False},
            "notice": {"person_day": 0}}


def late(build, count, spread):
    """Seconds that each of `count` mails left after its window, which end within `spread` seconds."""
    with Site(SETTINGS, build=build) as site:
        send(site, count)
        until(lambda: len(site.receiver.received()) >= count, 600, "every letter is there", 0.5)
        site.receiver.forget()
        site.end("oops-milter")
        ends = draw_ends(f"{site.folder}/state/holds/holds.db", spread)
        site.run("oops-milter")
        seconds = arrivals(site, count)
        return sorted(seconds[subject] - end for subject, end in ends.items())


def by_hand(build, count):
    """Seconds that `postsuper -H` of so many files and one flush take until all have arrived."""
    rule = {"smtpd_data_restrictions": "check_client_access static:hold"}
    with Site(postfix={"extra": rule}, programs=(), build=build) as site:
        send(site, count)
        start = time.time()
        site.mta.run("postsuper", "-H", "ALL")
        site.mta.flush()
        return max(arrivals(site, count).values()) - start


def send(site, count, sessions=4):
    """One mail each of so many people, to an address of its own."""
    def send_every(first):
        for number in range(first, count, sessions):
            sender = f"person{number}@example.com"
            with Submission(site.mta.port, sender) as submission:
                submission.send(Message(sender, [f"other{number}@example.org"], f"Note {number}"))

    threads = [threading.Thread(target=send_every, args=(first,)) for first in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: len(site.held()) == count, 60, f"{count} mails are held", 0.5)


def draw_ends(database, spread):
    """Gives every window an end of its own, from SETTLE seconds on; subject -> Unix time."""
    chance, start = random.Random(1), time.time() + SETTLE
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as holds:
        subjects = holds.execute("SELECT id, subject FROM hold").fetchall()
        ends = {subject: start + spread * chance.random() for _, subject in subjects}
        holds.executemany("UPDATE hold SET deadline = ?1, timer = ?1, due = ?1 WHERE id = ?2",
                          [(int(ends[subject] * 1000), id_) for id_, subject in subjects])
        holds.commit()
    return ends


def arrivals(site, count):
    """When each mail came, by its subject; waits for all."""
    until(lambda: len(site.receiver.received()) >= count, 300, f"{count} mails arrive", 0.1)
    return {one.header("Subject"): one.time for one in site.receiver.received()}

"""Mail flows, people click, and each of the three programs is killed again and again.

The one who kills draws a program and a moment (seeded), and an init system starts it again. Several
people send ordinary mail; others send what is held, and each of these mails has a plot: its
author clicks on Send, on Do not send, on that and then on Send it after all, or waits for what
the timer does. Clients try again what was refused for now, and so do browsers. Then all comes to rest, and the
account is made:

    - every mail that was taken and not held has reached everybody, once;
    - of every held mail the receivers have exactly what its last state says: SENT, everybody once;
      RETURNED, nobody, and its author has it back whole (twice only if killed meanwhile);
    - a decision that was answered is the one that was carried out;
    - one final audit line a hold, none open, none lost that had a file, nothing in the queue.
"""
import contextlib
import random
import re
import smtplib
import sqlite3
import threading
import time

from lab import mail, web
from lab.mail import Message, Refused, Submission
from lab.site import Site

ORDINARY = [f"worker{number}@example.com" for number in range(4)]
WINDOW, SHORT, GRACE = 4, 5, 15  # seconds
PEOPLE = [f"person{number:03}@example.org" for number in range(400)]
QUEUED, MILTER, WEB = "oops-queued", "oops-milter", "oops-web"
LINES = (1, 10, 100, 1000)  # the longest is more than Postfix puts into a bounce
GIVE_UP = 120  # seconds that a client tries
CLICK_FOR = 12  # seconds within which a mail that was stopped is wanted after all

ASK = {"action": "confirm", "threshold": 0}
#: plot -> its author's rule, and the states that it may end in
PLOTS = {
    "send": (ASK, {"sent"}),
    "undo": (ASK, {"returned"}),
    "restore": (ASK, {"sent", "returned"}),  # the grace may be over first
    "window": ({"action": "undo", "threshold": 0, "window": f"{WINDOW}s"}, {"sent"}),
    "stop": ({"action": "undo", "threshold": 0, "window": f"{WINDOW}s"}, {"sent", "returned"}),
    "expire": ({**ASK, "expires": f"{SHORT}s"}, {"returned"}),
    "forget": ({**ASK, "expires": f"{SHORT}s", "on_expiry": "send"}, {"sent"}),
}
FINAL = {"sent": "sent", "return": "returned", "delete": "deleted", "lost": "lost"}


def author(plot):
    return f"{plot}@example.com"


def settings():
    rules = [{"name": plot, "match": {"sender": author(plot)}, **rule}
             for plot, (rule, _) in PLOTS.items()]
    return {"policy": (*rules, {"name": "others", "threshold": 1.0, "tag_threshold": 2.0}),
            "undo": {"grace": f"{GRACE}s"}, "storm": {"enabled": False},
            "judge": {"learning_site_sends": 0, "learning_sends": 0,
                      "learning_sends_new_site": 0,
                      "min_scores": 10_000_000},  # or the site's own scores would set the bar
            "budget": {"sender_day": 0, "site_thousand": 0}, "notice": {"person_day": 0}}


class Mail:
    """One mail that somebody sends, and what became of it."""

    def __init__(self, number, plot, rng):
        self.plot, self.number, self.queue_id, self.tries = plot, number, None, 0
        sender = author(plot) if plot else rng.choice(ORDINARY)
        few = rng.sample(PEOPLE, rng.randrange(5, 30) if plot else rng.randrange(1, 4))
        self.message = Message(sender, few, f"Mail {number} {rng.randrange(10**9)}",
                               "".join(f"{rng.randbytes(30).hex()}\n" for _ in range(
                                   rng.choice(LINES))) + self.end() + "\n")
        self.clicked = False

    def end(self):
        """The body's last line: without it a mail that came back is not whole."""
        return f"This is the end of mail {self.number}."


class Load:
    """What is sent, as long as it lasts; `mails` is all that was taken."""

    def __init__(self, site, seed):
        self.site, self.seed = site, seed
        self.mails, self.retries, self.problems = [], 0, []
        self.ends, self.numbers = threading.Event(), iter(range(10**9))
        self.lock = threading.Lock()

    def threads(self):
        """Two who send ordinary mail, two whose mail is held."""
        plots = list(PLOTS)
        return [threading.Thread(target=self._send, args=(index, of, pause)) for index, (of, pause)
                in enumerate((([None], .15), ([None], .15), (plots, .7), (plots, .9)))]

    def _send(self, index, plots, pause):
        rng = random.Random(f"{self.seed} {index}")
        while not self.ends.is_set():
            with self.lock:
                number = next(self.numbers)
            one = Mail(number, rng.choice(plots), rng)
            try:
                self._deliver(one)
            except Exception as error:  # whatever it is, the account must tell it
                self.problems.append(f"mail {number} could not be sent: {error!r}")
            time.sleep(rng.uniform(0, 2 * pause))

    def _deliver(self, one):
        """As clients do: tries again what was refused for now, or was cut off before the answer."""
        end = time.monotonic() + GIVE_UP
        while True:
            try:
                with Submission(self.site.mta.port, one.message.sender) as submission:
                    one.queue_id = submission.send(one.message)
                one.sent = time.time()
                with self.lock:
                    self.mails.append(one)
                return
            except (Refused, smtplib.SMTPResponseException) as refused:
                code = getattr(refused, "code", None) or refused.smtp_code
                if not 400 <= code < 500 or time.monotonic() > end:
                    raise
            one.tries += 1
            time.sleep(0.2)


class Clicks:
    """Reads the letters as they come and does what each mail's plot says."""

    def __init__(self, site, load):
        self.site, self.load, self.done = site, load, threading.Event()
        self.letters, self.seen, self.problems = {}, 0, []
        self.later = []  # (when, until, link) of those that want it after all

    def run(self):
        while not self.done.is_set():
            self.once()
            time.sleep(0.1)

    def once(self):
        kept = self.site.receiver.received()
        by_subject = {one.message.subject: one for one in list(self.load.mails)}
        waiting = []
        for letter in kept[self.seen:]:
            number = self._about(letter)
            one = by_subject.get(number)
            if number and one is None:
                waiting.append(letter)  # its client has not noted yet that it was taken
            elif one:
                self._read(one, letter)
        self.seen = len(kept) - len(waiting) if not waiting else kept.index(waiting[0])
        self._after_all()

    @staticmethod
    def _about(letter):
        """The subject that a letter of ours is about; None: another mail."""
        if letter.header("Auto-Submitted") != "auto-generated" or came_back(letter):
            return None
        found = re.search(r"Mail \d+ \d+", letter.header("Subject") or "")
        return found and found.group(0)

    def _read(self, one, letter):
        if letter in self.letters.setdefault(one.number, []):
            return
        self.letters[one.number].append(letter)
        if one.plot in ("send", "undo", "restore", "stop") and not one.clicked:
            one.clicked = True
            link = web.link_in(letter)
            self._press(link, "send" if one.plot == "send" else "undo")
            if one.plot == "restore":
                now = time.monotonic()
                self.later.append([now + 1, now + CLICK_FOR, link])

    def _after_all(self):
        """A page may offer that only some seconds after "Do not send it"."""
        now = time.monotonic()
        for entry in self.later:
            if entry[0] <= now:
                entry[0] = now + 1
                self._press(entry[2], "restore")
        self.later = [entry for entry in self.later if now < entry[1]]

    def _press(self, link, do):
        """A browser whose server is down shows that, and its user tries again."""
        end = time.monotonic() + GIVE_UP
        while time.monotonic() < end:
            with contextlib.suppress(OSError, web.http.client.HTTPException):
                status = web.press(link, do).status
                if status == 303:
                    return
                if status < 500:
                    break
            time.sleep(0.1)
        self.problems.append(f"{do} was not taken at {link}")


class Killer:
    """Kills one of the programs now and then, and starts it again as an init system would."""

    def __init__(self, site, seed):
        self.site, self.rng = site, random.Random(f"{seed} killer")
        self.kills, self.problems = [], []

    def run_until(self, end):
        while True:
            wait = self.rng.uniform(1.5, 5.5)
            if time.monotonic() + wait > end:
                return
            time.sleep(wait)
            self._kill(self.rng.choice((MILTER, MILTER, WEB, QUEUED)))

    def _kill(self, name):
        code = self.site.running[name].poll()
        if code is not None:
            self.problems.append(f"{name} ended by itself with {code}")
        else:
            self.site.end(name, 9)
            self.kills.append(name)
        time.sleep(self.rng.uniform(0, 1))
        self.site.run(name)


class Account:
    """What there is at the end, and what is wrong with it."""

    def __init__(self, site, load, clicks, killer):
        self.site, self.load, self.clicks, self.killer = site, load, clicks, killer
        self.copies, self.returned = {}, {}
        for one in site.receiver.received():
            if came_back(one):
                self.returned.setdefault(original_id(one), []).append(one)
            counts = self.copies.setdefault(one.header("Message-ID"), {})
            for recipient in one.recipients:
                counts[recipient] = counts.get(recipient, 0) + 1
        self.state = states(site)
        self.hold_of = holds(site)
        self.held = [one for one in load.mails if one.queue_id in self.hold_of]

    def findings(self):
        """name -> what is wrong, a line each."""
        return {
            "every program ran and every mail and click was taken":
                self.load.problems + self.clicks.problems + self.killer.problems,
            "what was not held came once": self._not_held(),
            "what was held came, or came back, as its state says": self._held(),
            "each decision was carried out": self._decisions(),
            "one final audit line a hold": self._audited(),
            "nothing is open, queued or lost": self._left_over(),
            "every plot was played under kills": self._reach(),
        }

    def _everybody(self, one):
        """"" when everybody has it once."""
        wanted, has = dict.fromkeys(one.message.recipients(), 1), self.copies.get(one.message.id, {})
        if has == wanted:
            return ""
        return (f"mail {one.number} ({one.plot}, {one.queue_id}, tries {one.tries}): of "
                f"{len(wanted)} people {len(has)} have it, at most {max(has.values(), default=0)} times")

    def _not_held(self):
        held = set(map(id, self.held))
        return [wrong for one in self.load.mails if id(one) not in held
                and (wrong := self._everybody(one))]

    def _held(self):
        return [wrong for one in self.held if (wrong := self._fate(one))]

    def _fate(self, one):
        state, back = self._state(one), self.returned.get(one.message.id, [])
        name = f"mail {one.number} ({one.plot}, {one.queue_id}, hold {self.hold_of[one.queue_id]})"
        if state == "sent":
            return self._everybody(one) or (f"{name}: sent, and came back as well" if back else "")
        if state != "returned":
            return f"{name}: {state}"
        if self.copies.get(one.message.id):
            return f"{name}: returned, and {len(self.copies[one.message.id])} people have it"
        if not 1 <= len(back) <= 2 or any(who.recipients != [one.message.sender] for who in back):
            return f"{name}: returned, and came back {len(back)} times"
        if any(one.end().encode() not in copy.data for copy in back):
            return f"{name}: came back without its end"
        return ""

    def _state(self, one):
        return self.state.get(self.hold_of[one.queue_id], "unknown")

    def _decisions(self):
        return [f"mail {one.number} ({one.plot}): {self._state(one)}" for one in self.held
                if self._state(one) not in PLOTS[one.plot][1]]

    def _audited(self):
        lines = {}
        for event, state in FINAL.items():
            for line in self.site.audit(event):
                lines.setdefault(line["id"], []).append(state)
        return [f"hold {hold}: {state}, final audit lines {lines.get(hold, [])}"
                for hold, state in self.state.items() if lines.get(hold) != [state]]

    def _left_over(self):
        taken = {self.hold_of[one.queue_id] for one in self.held}
        wrong = [f"hold {hold} is {state}" for hold, state in self.state.items()
                 if state not in FINAL.values() or state == "lost" and hold in taken]
        return wrong + [f"{queue_id} is still queued" for queue_id in self.site.mta.queue()]

    def _reach(self):
        """A load that held nothing, or a killer that never hit, would prove nothing."""
        missing = [f"mail {one.number} ({one.plot}, {one.queue_id}) was not held"
                   for one in self.load.mails if one.plot and one.queue_id not in self.hold_of]
        missing += [f"no mail with the plot {plot} was held" for plot in PLOTS
                   if plot not in {one.plot for one in self.held}]
        ends = {(one.plot, self._state(one)) for one in self.held}
        missing += [f"not one mail with the plot {plot} was {end}" for plot, end in
                    (("restore", "sent"), ("stop", "returned")) if (plot, end) not in ends]
        return missing + [f"{name} was never killed" for name in (MILTER, WEB, QUEUED)
                          if name not in self.killer.kills]

    def summary(self):
        twice = sum(len(back) > 1 for back in self.returned.values())
        letters = sum(len(some) > 1 for some in self.clicks.letters.values())
        late = sorted(one.time - mail_.sent - WINDOW for mail_ in self.held
                      if mail_.plot == "window" for one in self.site.receiver.received(mail_.message.id))
        return (f"{len(self.killer.kills)} kills, {len(self.load.mails)} mails, {len(self.held)} "
                f"held of {sum(one.plot is not None for one in self.load.mails)}, {sum(one.tries > 0 for one in self.load.mails)} tried again, {twice} came "
                f"back twice, {letters} with two letters; windows ended "
                f"{late[len(late) // 2]:.1f} s late (median), {late[-1]:.1f} s at most"
                if late else "no window ended")


def came_back(delivery):
    """Does it bring a whole mail back to its author?"""
    return original_id(delivery) is not None


def original_id(delivery):
    """The Message-ID of the mail inside of this one; None: there is none."""
    if b"message/rfc822" not in delivery.data.lower():
        return None
    found = re.search(rb"^Message-ID: *(<[^>]+>)", delivery.body(), re.MULTILINE | re.IGNORECASE)
    return found and found.group(1).decode()


def states(site):
    """Hold -> its state, in small letters."""
    lines = site.oopsctl("list", "--all", check=True).stdout.splitlines()[1:]
    return {line.split()[0]: line.split()[1] for line in lines}


def holds(site):
    """Queue id -> the hold that it is a part of."""
    path = f"file:{site.folder}/state/holds/holds.db?mode=ro"
    with contextlib.closing(sqlite3.connect(path, uri=True)) as database:
        return dict(database.execute("SELECT queue_id, hold_id FROM part"))


def is_at_rest(site):
    """A part whose file never came is waited for a minute."""
    return not site.mta.queue() and all(state in FINAL.values() for state in states(site).values())


def play(seconds, seed):
    """One run; (passed, failed)."""
    with Site(settings()) as site:
        site.allow(r"(warning|error): ")
        load = Load(site, seed)
        clicks, killer = Clicks(site, load), Killer(site, seed)
        clicking = threading.Thread(target=clicks.run)
        threads = [*load.threads(), clicking]
        for thread in threads:
            thread.start()
        try:
            killer.run_until(time.monotonic() + seconds)
        finally:
            load.ends.set()
            for thread in threads[:-1]:
                thread.join()
            with contextlib.suppress(AssertionError):
                mail.until(lambda: is_at_rest(site), 100, every=1)
            clicks.done.set()
            clicking.join()
        return report(Account(site, load, clicks, killer), site)


def report(account, site):
    passed = failed = 0
    for name, wrong in account.findings().items():
        passed, failed = passed + (not wrong), failed + bool(wrong)
        print(f"{'FAIL' if wrong else 'PASS'} crash load: {name}", flush=True)
        print("".join(f"     {line}\n" for line in wrong[:20]), end="")
    print(f"     {account.summary()}", flush=True)
    if failed:
        print(site.all_logs())
    return passed, failed

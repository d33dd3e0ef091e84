"""The story that contrib/quickstart shows; see there.

Every sentence that tells of an event is printed after the event was seen: in Postfix's queue,
at the mail server at the far end, or in an answer of the pages.
"""
import contextlib
import pathlib
import sys
import textwrap
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from lab import leftovers, mail, story, web  # noqa: E402 (the path comes first)
from lab.site import Site  # noqa: E402
from lab.story import ANNA, CLARA  # noqa: E402

BELLA, DORA = "bella@example.com", "dora@example.com"
WINDOW = 6  # seconds that Bella has to undo
SETTINGS = {
    "policy": ({"name": "undo window", "match": {"sender": BELLA}, "action": "undo",
                "window": f"{WINDOW}s"},
               {"name": "confirm", "action": "confirm"}),
}


class Teller:
    """Prints numbered steps and what was seen in each."""

    def __init__(self):
        self.number = 0

    def step(self, text):
        self.number += 1
        print(f"\n{self.number}. {text}", flush=True)

    def saw(self, text):
        print(textwrap.fill(text, 88, initial_indent="   - ", subsequent_indent="     "),
              flush=True)

    def quote(self, text):
        print(textwrap.indent(text, "   | ", lambda line: True), flush=True)


def ordinary(site, tell):
    tell.step("Anna writes to one colleague, as she does every day.")
    message = mail.Message(ANNA, ["colleague01@example.com"], "Lunch?", "At twelve?\n")
    began = time.monotonic()
    queue_id = site.send(message)
    story.reaches(site, message)
    seconds = time.monotonic() - began
    assert site.mta.queued(queue_id) != "hold"
    tell.saw(f"Postfix took it and passed it on; it arrived after {seconds:.2f} seconds.")
    tell.saw("Nothing was asked, nothing was held.")


def slip(site, tell, announcement, sender=ANNA):
    """A reply to everybody; its message and queue id once it is seen on hold."""
    message, queue_id = story.slip(site, announcement, sender)
    mail.until(lambda: site.mta.queued(queue_id) == "hold", 5, "the slip is held")
    assert not site.receiver.copies(message.id), "somebody already has it"
    tell.saw(f"Postfix accepted it as {queue_id} and keeps it in its own hold queue.")
    tell.saw("Nobody has it.")
    return message, queue_id


def letter(site, tell, to, since):
    """The letter that a person got since then."""
    one = mail.until(lambda: [one for one in site.letters(to, 10) if one.time > since], 10,
                     "the letter")[0]
    assert one.recipients == [to] and one.sender == ""
    tell.saw(f"A letter came to {to} and to nobody else, {one.time - since:.1f} seconds after "
             "the mail.")
    return one


def look(site, tell, link, message, queue_id):
    tell.step("A mail scanner opens the link twenty times, and so does Anna.")
    for _ in range(10):
        assert web.get(link).status == 200 and web.head(link).status == 200
    page = web.get(link)
    assert page.status == 200 and message.subject in page.text
    mail.never(lambda: site.mta.queued(queue_id) != "hold", 1, "looking acted")
    assert not site.receiver.copies(message.id)
    tell.saw("The page shows what is held and why. The mail is still on hold: looking never "
             "acts.")


def send(site, tell, link, message):
    tell.step("Anna meant it after all and presses Send.")
    answer = web.press(link, "send")
    assert answer.status == 303, f"the page answered {answer.status}"
    story.reaches(site, message)
    tell.saw("All 40 people have it, each of them once.")
    assert web.press(link, "send").status in (200, 303, 409)
    mail.never(lambda: max(site.receiver.copies(message.id).values()) > 1, 1, "it was sent twice")
    tell.saw("She presses again: nothing more happens.")


def undo(site, tell, announcement):
    tell.step("Dora answers another mail to everybody, by mistake. She gets a letter, too.")
    began = time.time()
    message, queue_id = slip(site, tell, announcement, DORA)
    link = web.link_in(letter(site, tell, DORA, began))
    answer = web.press(link, "undo")
    assert answer.status == 303, f"the page answered {answer.status}"
    mail.until(lambda: site.audit("undo"), 5, "undone")
    mail.never(lambda: site.receiver.copies(message.id), 2, "the undone mail was sent")
    assert site.mta.queued(queue_id) == "hold"
    tell.saw("She presses Undo. Nobody has it, and nobody will get it.")
    tell.saw("For an hour she could still change her mind: it lies in Postfix's queue. "
             "Then it would come back to her.")
    return message


def window(site, tell, announcement):
    tell.step(f"Bella has another policy: what looks odd waits {WINDOW} seconds, then leaves "
              "by itself.")
    began = time.time()
    message, queue_id = story.slip(site, announcement, BELLA)
    assert site.mta.queued(queue_id) == "hold" and not site.receiver.copies(message.id)
    tell.saw("It is on hold; her letter says until when she can undo it. She does nothing.")
    letter(site, tell, BELLA, began)
    story.reaches(site, message, WINDOW + 5)
    waited = min(one.time for one in site.receiver.received(message.id)) - began
    assert waited >= WINDOW - 0.5, f"it left after {waited:.1f} seconds"
    tell.saw(f"It left after {waited:.1f} seconds, and all 40 people have it once.")


def history(site, tell):
    tell.step("A little history goes through, so that there is something usual to compare with.")
    for person in (ANNA, BELLA, DORA):
        story.teach(site, person)
    tell.saw("Anna, Bella and Dora write to a colleague or two, and answer authors alone.")


def the_slip(site, tell):
    """The first slip with its letter; message, queue id and link."""
    announcement = story.announce(site)
    tell.step("Clara writes to 40 people. Anna answers, and presses Reply all.")
    began = time.time()
    message, queue_id = slip(site, tell, announcement)
    came = letter(site, tell, ANNA, began)
    tell.step("This is the letter, as it arrived:")
    tell.quote(came.data.decode(errors="replace").replace("\r\n", "\n").rstrip())
    return message, queue_id, web.link_in(came)


def play(site, tell):
    """The whole story."""
    history(site, tell)
    ordinary(site, tell)
    message, queue_id, link = the_slip(site, tell)
    look(site, tell, link, message, queue_id)
    send(site, tell, link, message)
    undone = undo(site, tell, story.announce(site, CLARA, DORA, "Car park closed on Friday"))
    window(site, tell, story.announce(site, CLARA, BELLA, "Fire drill at three"))
    assert not site.receiver.copies(undone.id), "the undone mail was sent"
    print("\nEverything above was seen to happen.")


HELP = """
The site is up: Postfix on 127.0.0.1 port {smtp}, the pages on port {web}, its files in
{folder}.
Anna pressed Reply all, to 40 people: her mail is on hold. Her letter has this link (from another
machine: ssh -L {web}:127.0.0.1:{web} ...):
    {link}
Hold another mail: Dora's answer to 40 people. In a second terminal, as root:
    sendmail -C {config} -f {dora} -t < {slip}
Any other mail goes the same way, or by SMTP. All mail ends here; what arrives is shown below,
and a letter with its link.
As the admin:
    {oopsctl} -c {conf} list
Ctrl-C ends it all and removes every trace.
"""


class Silent(Teller):
    """Tells nothing: the story before the site is up."""

    def step(self, text):
        pass

    saw = quote = step


def prepare_slip(site):
    """Dora's answer to everybody as a file, to be sent by hand."""
    announcement = story.announce(site, CLARA, DORA, "Car park closed on Friday")
    path = site.folder / "slip.eml"
    path.write_text(announcement.reply_all(DORA, "Dear Clara,\n\nwhere do I park?\n").text(),
                    encoding="utf-8")
    return path


def stay(site):
    """Shows what arrives until Ctrl-C."""
    history(site, Silent())
    *_, link = the_slip(site, Silent())
    slip_path = prepare_slip(site)
    print(HELP.format(link=link, web=site.web_port, smtp=site.mta.port, conf=site.conf,
                      config=site.postfix.config_directory, oopsctl=site.build / "oopsctl",
                      folder=site.folder, dora=DORA, slip=slip_path), end="", flush=True)
    shown = len(site.receiver.received())
    while True:
        for one in site.receiver.received()[shown:]:
            shown += 1
            print(f"arrived for {', '.join(one.recipients[:3])}"
                  f"{' ...' if len(one.recipients) > 3 else ''} ({len(one.recipients)}): "
                  f"{one.header('Subject')}", flush=True)
            if one.header("Auto-Submitted") and one.sender == "":
                print(f"  its link: {web.link_in(one)}", flush=True)
        time.sleep(0.2)


def show(once):
    """The whole of it; an exit status."""
    tell = Teller()
    if once:
        tell.step("A private Postfix, oops-milter, oops-queued and oops-web start on loopback.")
    try:
        with Site(SETTINGS) as site:
            if not once:
                stay(site)
            tell.saw(f"Everything is in {site.folder}; Postfix listens on 127.0.0.1 port "
                     f"{site.mta.port}, the pages on port {site.web_port}.")
            tell.saw("A probe went through and shows that Postfix asks oops-milter.")
            play(site, tell)
    except SystemExit:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print("\nEnded; nothing is left.", flush=True)
        raise
    except AssertionError as error:
        print(f"\nNot as it should be: {error}", file=sys.stderr)
        return 1
    return 0


def main():
    leftovers.begin()
    return show("--once" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())

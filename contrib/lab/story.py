"""People with habits: what a site must have seen before a slip stands out.

Anna writes to a colleague or two and answers authors alone. Clara writes to everybody. One day
Anna answers everybody: the slip.
"""
from lab.mail import Message, Submission, until

ANNA, CLARA = "anna@example.com", "clara@example.com"
COLLEAGUES = [f"colleague{number:02}@example.com" for number in range(1, 40)]

# The writer of the history commits every few hundred milliseconds. It tells nobody, so this is
# for what must not be learned; learned() waits for what must.
LEARNED_SECONDS = 1


def learned(site, threads):
    """Waits until so many messages are in the history; each has a thread of its own."""
    until(lambda: site.threads() >= threads, 40,
          lambda: f"{threads} messages are learned, not {site.threads()}")


def teach(site, sender=ANNA, mails=26):
    """Gives a sender the habit of writing to one to three people, in threads of their own."""
    before = site.threads()
    with Submission(site.mta.port, sender) as submission:
        for number in range(mails):
            few = COLLEAGUES[number % 5:number % 5 + 1 + number % 3]
            submission.send(Message(sender, few, f"Note {number}"))
    with Submission(site.mta.port, CLARA) as submission:
        for number in range(2):  # Clara writes to everybody now and then
            submission.send(Message(CLARA, [sender] + COLLEAGUES, f"News {number}"))
        questions = [Message(CLARA, [sender] + COLLEAGUES[:8], f"Question {number}")
                     for number in range(6)]
        for question in questions:
            submission.send(question)
    with Submission(site.mta.port, sender) as submission:
        for question in questions:
            submission.send(question.reply(sender))
    learned(site, before + mails + 2 + 2 * len(questions))
    site.receiver.forget()


def announce(site, sender=CLARA, to=ANNA, subject="Cake in the kitchen"):
    """A mail to 40 people, all in To; it has arrived when this returns."""
    before = site.threads()
    message = Message(sender, [to] + COLLEAGUES, subject, "Cake for everybody!\n")
    site.send(message)
    until(lambda: site.receiver.received(message.id), 20, "announcement arrives")
    learned(site, before + 1)
    site.receiver.forget()
    return message


def slip(site, announcement, sender=ANNA, body="Dear Clara,\n\nis there some left?\n"):
    """Anna answers everybody: 40 people. The message and its queue id."""
    message = announcement.reply_all(sender, body)
    assert len(message.recipients()) == 40
    return message, site.send(message)


def hold_of(site, queue_id):
    """The hold that a queue file belongs to: its id, from the audit."""
    return until(lambda: [line for line in site.audit("hold") if line["queue_id"] == queue_id],
                 5, f"{queue_id} is held")[0]["id"]


def reaches(site, message, seconds=10):
    """Waits until everybody has the message, and checks that each has it once."""
    everybody = dict.fromkeys(message.recipients(), 1)
    until(lambda: len(site.receiver.copies(message.id)) >= len(everybody), seconds,
          f"everybody has {message.subject}")
    assert site.receiver.copies(message.id) == everybody

"""Who gets letters, how many, and what a stranger's words become in them."""
import email
import email.policy

from lab import story
from lab.mail import never, until
from lab.site import Site

MALLORY, VICTIM = "mallory@example.com", "victim@example.com"
NO_BUDGET = {"sender_day": 0, "site_thousand": 0, "site_day": 0}


def text_of(letter):
    whole = email.message_from_bytes(letter.data, policy=email.policy.default)
    return whole["Subject"], " ".join(whole.get_body(("plain",)).get_content().split())


def test_many_mails_in_somebody_elses_name():
    with Site({"budget": NO_BUDGET, "notice": {"person_day": 3}}) as site:
        story.teach(site, sender=MALLORY)
        announcement = story.announce(site, to=MALLORY)
        for number in range(8):
            message = announcement.reply_all(VICTIM, f"{number}\n")
            message.subject = "Win at http://evil.example/login " + "x" * 180
            site.send(message, login=MALLORY, sender=MALLORY)
        until(lambda: len(site.audit("notice", limited_by="person_day")) == 5, 30, "a cap")
        until(lambda: len(site.letters(MALLORY)) == 3, 10, "the letters that were taken")
        letters = site.letters(MALLORY)
        assert not site.receiver.received(recipient=VICTIM)
        never(lambda: len(site.letters(MALLORY)) > 3, 2, "one more letter")
        texts = [text_of(letter) for letter in letters]
        for subject, text in texts:
            assert "http[:]//evil[.]example/login" in subject and len(subject) < 160, subject
            assert "http://evil" not in text and "evil.example" not in text
            assert f"has {VICTIM} as its author" in text
        assert sum("the last one for now" in text for _, text in texts) == 1

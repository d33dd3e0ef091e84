"""One human act in several transactions: judged as one audience, one letter, one decision."""
import concurrent.futures
import copy
import re
import threading

from lab import story, web
from lab.mail import Message, Submission, never, new_id, until
from lab.site import Site
from lab.story import ANNA, COLLEAGUES

PARTS = 4


def slip(site, **arguments):
    """Anna's answer to everybody, not yet sent."""
    story.teach(site)
    return story.announce(site).reply_all(ANNA, "Dear Clara,\n\nis there some left?\n",
                                          **arguments)


def split(message, parts=PARTS):
    """The recipients in so many shares."""
    everybody = message.recipients()
    size = -(-len(everybody) // parts)
    return [everybody[start:start + size] for start in range(0, len(everybody), size)]


def renamed(message):
    """The same mail with a Message-ID of its own, as some clients split."""
    again = copy.copy(message)
    again.id = new_id()
    return again


def one_decision(site, messages, queue_ids):
    """All parts are in one hold with one letter, and one click releases all."""
    holds = {story.hold_of(site, queue_id) for queue_id in queue_ids}
    assert len(holds) == 1, holds
    hold = holds.pop()
    link = site.link(ANNA)
    until(lambda: site.audit("held", id=hold), 10)
    assert {line["people"] for line in site.audit("held", id=hold)} == {"40"}
    never(lambda: len(site.letters(ANNA)) > 1, 2, "a second letter")
    assert "40 people" in web.get(link).text
    web.press(link, "send")
    everybody = dict.fromkeys(messages[0].recipients(), 1)

    def copies():
        counts = {}
        for message in {one.id: one for one in messages}.values():
            for address, count in site.receiver.copies(message.id).items():
                counts[address] = counts.get(address, 0) + count
        return counts
    until(lambda: len(copies()) >= len(everybody), 15, "everybody has it")
    assert copies() == everybody
    until(lambda: site.audit("sent", id=hold), 5)
    until(lambda: not site.mta.queue(), 10)
    return hold


def test_four_parts_with_one_message_id():
    with Site() as site:
        message = slip(site)
        with Submission(site.mta.port, ANNA) as submission:
            ids = [submission.send(message, recipients=part) for part in split(message)]
        one_decision(site, [message], ids)


def test_four_parts_with_message_ids_of_their_own():
    with Site() as site:
        message = slip(site)
        parts = [renamed(message) for _ in range(PARTS)]
        with Submission(site.mta.port, ANNA) as submission:
            ids = [submission.send(one, recipients=part)
                   for one, part in zip(parts, split(message))]
        one_decision(site, parts, ids)


def test_parts_over_parallel_connections():
    with Site() as site:
        message = slip(site)
        parts = [renamed(message) if number % 2 else message for number in range(8)]
        together = threading.Barrier(len(parts))

        def send(one, recipients):
            with Submission(site.mta.port, ANNA) as submission:
                together.wait()
                return submission.send(one, recipients=recipients)
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            ids = list(pool.map(send, parts, split(message, len(parts))))
        one_decision(site, parts, ids)


def test_hidden_recipients_are_counted_over_the_parts():
    """Nobody is named in the header: only the parts together show the audience."""
    with Site({"policy": ({"action": "confirm", "threshold": 0.9, "tag_threshold": 0.5},)}) as site:
        story.teach(site)
        story.announce(site)
        strangers = [f"stranger{number}@example.org" for number in range(60)]
        message = Message(ANNA, ["undisclosed-recipients:;"], "Hello", "Hello all!\n")
        ids = []
        with Submission(site.mta.port, ANNA) as submission:
            for start in range(0, 60, 6):
                ids.append(submission.send(message, recipients=strangers[start:start + 6]))
        held = [line["queue_id"] for line in site.audit("hold", was="-")]
        assert len(held) == 1, "one hold"
        joined = {line["queue_id"] for line in site.audit("hold", id=site.audit("hold")[0]["id"])}
        first = ids.index(held[0])
        assert first > 0, "the first parts alone are nothing odd"
        assert set(ids[first:]) <= joined, "all parts from then on are in it"


def test_two_hidden_halves_with_message_ids_of_their_own():
    """Thirty and thirty are sixty, although neither id nor header says that they belong together."""
    crowd = {"match": {"people_min": 50}, "action": "confirm", "threshold": 0.01}
    with Site({"policy": (crowd, {"action": "pass"})}) as site:
        story.teach(site)
        strangers = [f"stranger{number}@example.org" for number in range(90)]
        for to in ("undisclosed-recipients:;", None):  # None: each half names its first one
            halves = []
            first = Message(ANNA, [to or strangers[0]], f"Hello {to}", "Hello all!\n")
            with Submission(site.mta.port, ANNA) as submission:
                for start in (0, 30, 60):
                    half = renamed(first)
                    half.to = [to or strangers[start]]
                    halves.append(submission.send(half, recipients=strangers[start:start + 30]))
            holds = {line["id"] for line in site.audit("hold", was="-")
                     if line["queue_id"] in halves}
            assert len(holds) == 1, holds
            hold = holds.pop()
            assert [story.hold_of(site, one) for one in halves[1:]] == [hold, hold]
            assert not [line for line in site.audit("hold") if line["queue_id"] == halves[0]]
            assert site.audit("judge", queue_id=halves[1])[0]["people"].rstrip("+") == "60"
            assert site.audit("judge", queue_id=halves[2])[0]["people"].rstrip("+") == "90"
            until(lambda: site.audit("held", id=hold), 10)
            site.letters(ANNA)
            never(lambda: len(site.letters(ANNA)) > 1, 1, "a second letter")
            site.receiver.forget()


def test_after_undo_a_late_part_is_not_sent():
    with Site() as site:
        message = slip(site)
        shares = split(message)
        with Submission(site.mta.port, ANNA) as submission:
            first = [submission.send(message, recipients=part) for part in shares[:2]]
            hold = story.hold_of(site, first[0])
            web.press(site.link(ANNA), "undo")
            until(lambda: site.audit("undo", id=hold), 5)
            late = submission.send(message, recipients=shares[2])
        assert story.hold_of(site, late) == hold
        assert site.mta.queued(late) == "hold"
        never(lambda: site.receiver.received(message.id), 2, "a part left")
        assert len(site.letters(ANNA)) == 1


def test_what_came_back_is_with_nobody():
    """Parts that come after the others came back are told of by themselves: only they can leave."""
    with Site({"undo": {"grace": 0}}) as site:
        message = slip(site)
        shares = split(message)
        with Submission(site.mta.port, ANNA) as submission:
            first = [submission.send(message, recipients=part) for part in shares[:2]]
            stopped = story.hold_of(site, first[0])
            web.press(site.link(ANNA), "undo")
            until(lambda: site.audit("return", id=stopped), 20)
            late = [submission.send(message, recipients=shares[2])]
            hold = story.hold_of(site, late[0])
            assert hold != stopped
            until(lambda: len(site.letters(ANNA)) == 2, 20, "a letter of its own")
            link, letter = site.link(ANNA), site.letters(ANNA)[-1]
            assert "to 10 people" in letter.header("Subject"), letter.header("Subject")
            until(lambda: "Nobody has got it." in web.get(link).text, 10)
            page = web.get(link).text
            assert "Send it to 10 people<" in page and "40 people<" not in page, page
            assert "change your mind" not in page and "it is not sent any more" in page, page
            assert f"{shares[2][0]}, {shares[2][1]}, {shares[2][2]} and 7 more" in page, page
            late.append(submission.send(message, recipients=shares[3]))
            assert story.hold_of(site, late[1]) == hold
        until(lambda: "Send it to 20 people<" in web.get(link).text, 10)
        shown = site.oopsctl("show", hold, check=True).stdout
        assert "20 addresses, 20 people" in shown and shares[0][1] not in shown, shown
        web.press(link, "send")
        rest = dict.fromkeys(shares[2] + shares[3], 1)
        until(lambda: site.receiver.copies(message.id) == rest, 20, "the late parts are there")
        until(lambda: site.audit("sent", id=hold), 10)
        assert len(site.letters(ANNA)) == 2 and len(site.returned(ANNA)) == 1


def test_what_is_written_after_an_undo_is_asked_about():
    """Anna stops a mail and answers it herself, with the text as it should be, to the same people."""
    with Site({"undo": {"after_grace": "delete"}}) as site:
        message = slip(site)
        stopped = story.hold_of(site, site.send(message))
        web.press(site.link(ANNA), "undo")
        until(lambda: site.audit("undo", id=stopped), 5)
        better = message.reply_all(ANNA, "Dear all,\n\nthis is what I meant.\n")
        better.to, better.cc = message.to, message.cc
        hold = story.hold_of(site, site.send(better))
        assert hold != stopped
        until(lambda: len(site.letters(ANNA)) == 2, 20, "a letter of its own")
        web.press(site.link(ANNA), "send")
        story.reaches(site, better, 20)
        assert not site.receiver.received(message.id)
        until(lambda: site.audit("sent", id=hold), 20)
        assert not site.audit("restore")


def test_after_undo_the_same_again_is_a_new_send():
    """Under its old name, to one who was to get it: by itself, whatever was stopped before."""
    with Site() as site:
        message = slip(site)
        stopped = story.hold_of(site, site.send(message))
        web.press(site.link(ANNA), "undo")
        until(lambda: site.audit("undo", id=stopped), 5)
        anew = story.hold_of(site, site.send(message, recipients=[story.CLARA]))
        assert anew != stopped, "its header names everybody still: it is asked about anew"
        until(lambda: len(site.letters(ANNA)) == 2, 20, "a letter of its own")
        web.press(site.link(ANNA), "send")
        until(lambda: site.receiver.copies(message.id) == {story.CLARA: 1}, 20, "Clara has it")
        alone = copy.copy(message)
        alone.to, alone.cc = [story.CLARA], []
        site.send(alone)
        until(lambda: site.receiver.copies(message.id) == {story.CLARA: 2}, 20, "it passes")
        assert len(site.letters(ANNA)) == 2
        assert [line["id"] for line in site.audit("undo")] == [stopped]


def test_the_sender_is_none_of_those_it_goes_to():
    with Site() as site:
        message = slip(site)
        message.cc = [ANNA] + message.cc
        hold = story.hold_of(site, site.send(message))
        line, = site.audit("judge", id=hold)
        assert (line["recipients"], line["people"]) == ("40", "40"), line
        page = web.get(site.link(ANNA)).text
        assert "40 people" in page and "41 people" not in page, page
        assert "40 people" in site.oopsctl("show", hold, check=True).stdout


def test_after_release_a_late_part_passes():
    with Site({"policy": ({"action": "undo", "threshold": 0.9, "window": "2s"},)}) as site:
        message = slip(site)
        known = site.threads()
        shares = split(message)
        with Submission(site.mta.port, ANNA) as submission:
            first = [submission.send(message, recipients=part) for part in shares[:2]]
            hold = story.hold_of(site, first[0])
            until(lambda: site.audit("sent", id=hold), 10)
            for part in shares[2:]:
                submission.send(message, recipients=part)
        story.reaches(site, message)
        story.learned(site, known + 1)
        more = message.reply_all(ANNA, "PS: it is in the kitchen.\n")
        more.to, more.cc = message.to, message.cc
        site.send(more)
        story.reaches(site, more)
        story.learned(site, known + 2)  # so that answers to it are known as such
        assert len(site.audit("hold", was="-")) == 1 and len(site.letters(ANNA)) == 1


def test_a_release_is_for_those_who_were_asked_about():
    """Under the name of a mail that was just released nothing else goes out unasked."""
    with Site() as site:
        message = slip(site)
        released = story.hold_of(site, site.send(message))
        web.press(site.link(ANNA), "send")
        story.reaches(site, message)
        again = site.send(message, recipients=message.recipients()[:3])  # its client tries again
        until(lambda: site.audit("judge", queue_id=again), 10)
        line, = site.audit("judge", queue_id=again)
        assert (line["action"], line["gate"], line["id"]) == ("pass", "released", released), line
        strangers = [f"stranger{number}@example.org" for number in range(40)]
        hidden = site.send(message, recipients=strangers)
        other = copy.copy(message)
        other.to, other.cc = strangers, message.cc
        other = site.send(other)
        sent_on = copy.copy(message)
        sent_on.headers = [("Resent-From", ANNA), ("Resent-To", ", ".join(strangers))]
        sent_on = site.send(sent_on, recipients=strangers)
        for queue_id in (hidden, other, sent_on):
            line, = site.audit("judge", queue_id=queue_id)
            assert line["wanted"] == "confirm" and line["id"] not in ("-", released), line
        assert not [one for one in strangers if site.receiver.copies(message.id).get(one)]


def test_the_same_id_for_another_mail_is_another_act():
    with Site() as site:
        message = slip(site)
        other = Message(ANNA, message.recipients(), "Something else")
        other.id = message.id
        holds = [story.hold_of(site, site.send(one)) for one in (message, other)]
        assert holds[0] != holds[1]
        assert {line["message_id"] for line in site.audit("hold")} == {message.id.strip("<>")}
        until(lambda: len(site.letters(ANNA)) == 2, 10, "a letter for each")


def test_a_copy_of_an_earlier_mail_is_judged_for_whom_it_goes_to():
    """To and Cc of a mail that is sent on, or copied to an archive, were served elsewhere."""
    with Site() as site:
        message = slip(site)
        cases = (("sent on", [("Resent-From", ANNA), ("Resent-To", COLLEAGUES[0])],
                  [COLLEAGUES[0]]),
                 ("archived", [], ["archive@example.net"]))
        for what, headers, recipients in cases:
            one = renamed(message)
            one.headers, one.subject = headers, what
            queue_id = site.send(one, recipients=recipients)
            until(lambda: site.receiver.received(one.id), 10, what)
            assert not [line for line in site.audit("hold") if line["queue_id"] == queue_id]


def test_parts_teach_one_audience():
    """What was sent in four parts is usual as a whole from then on."""
    with Site() as site:
        message = slip(site)
        before = site.threads()
        with Submission(site.mta.port, ANNA) as submission:
            ids = [submission.send(message, recipients=part) for part in split(message)]
        one_decision(site, [message], ids)
        story.learned(site, before + 1)
        again = Message(ANNA, message.recipients(), "Cake, the second")
        queue_id = site.send(again)
        story.reaches(site, again)
        assert not [line for line in site.audit("hold") if line["queue_id"] == queue_id]


def series(site, count, chain=False, to=None):
    """A series as git send-email sends it, every mail naming the first or the one before."""
    cover = Message(ANNA, to or COLLEAGUES[:25], f"[PATCH 0/{count - 1}] Better cake")
    messages, refs = [cover], [cover.id]
    for number in range(1, count):
        one = Message(ANNA, cover.to, f"[PATCH {number}/{count - 1}] Slice {number}",
                      f"diff {number}\n")
        one.headers = [("In-Reply-To", refs[-1] if chain else cover.id),
                       ("References", " ".join(refs) if chain else cover.id)]
        refs.append(one.id)
        messages.append(one)
    with Submission(site.mta.port, ANNA) as submission:
        return messages, [submission.send(one) for one in messages]


def test_a_series_is_one_submission():
    """Thirteen mails in a second, whatever they name: one letter, one click, all leave."""
    for chain in (False, True):
        with Site({"budget": {"sender_day": 3, "site_thousand": 0}}) as site:
            story.teach(site)
            messages, ids = series(site, 13, chain)
            holds = {story.hold_of(site, queue_id) for queue_id in ids}
            assert len(holds) == 1, holds
            link = site.link(ANNA)
            never(lambda: len(site.letters(ANNA)) > 1, 2, "a second letter")
            assert not [one for one in site.receiver.received() if "PATCH" in
                        (one.header("Subject") or "") and not one.header("Auto-Submitted")]
            web.press(link, "send")
            for message in messages:
                story.reaches(site, message, 20)
            until(lambda: not site.mta.queue(), 10)


def test_a_series_whose_first_mail_passed_passes():
    """The same people got the first one a moment ago: nothing is torn apart."""
    rule = {"match": {"sender": ANNA, "people_min": 20}, "action": "confirm", "threshold": 1.0,
            "tag_threshold": 2.0}
    with Site({"policy": (rule,)}) as site:
        story.teach(site)
        messages, _ = series(site, 5)
        for message in messages:
            story.reaches(site, message, 20)
        assert not site.held()


def test_one_mail_for_each_is_not_one_mail_to_all():
    """A calendar server writes to forty people, to each alone: nobody is told of anybody."""
    with Site() as site:
        story.teach(site)
        everybody = COLLEAGUES + ["boss@example.com"]
        first = Message(ANNA, [everybody[0]], "Invitation: cake", "At four.\n")
        messages = []
        for number, address in enumerate(everybody):
            one = copy.copy(first) if number % 2 else renamed(first)
            one.to = [address]
            messages.append(one)
        with Submission(site.mta.port, ANNA) as submission:
            for one in messages:
                submission.send(one)
        until(lambda: len({address for one in messages
                           for address in site.receiver.copies(one.id)}) == 40, 20)
        assert not site.held() and not site.audit("hold")


def test_who_has_it_already_is_said():
    """Hidden recipients over many transactions: some left before it looked odd."""
    with Site({"policy": ({"action": "confirm", "threshold": 0.9, "tag_threshold": 0.5},)}) as site:
        story.teach(site)
        story.announce(site)
        strangers = [f"stranger{number}@example.org" for number in range(60)]
        message = Message(ANNA, ["undisclosed-recipients:;"], "Hello", "Hello all!\n")
        with Submission(site.mta.port, ANNA) as submission:
            for start in range(0, 60, 6):
                submission.send(message, recipients=strangers[start:start + 6])
        link = site.link(ANNA)
        page = " ".join(web.get(link).text.split())
        left = int(re.search(r"already left for (\d+) recipients", page)[1])
        assert 0 < left < 60
        # it may still be on its way to some of them
        until(lambda: len(site.receiver.copies(message.id)) == left, 20, "what passed arrives")
        never(lambda: len(site.receiver.copies(message.id)) != left, 1, "nothing else does")
        for text in (str(site.letters(ANNA)[0].data, "ascii", "replace").replace("=\n", ""),
                     web.get(link).text):
            assert "Nobody has got it" not in text, text
            assert f"{left} recipients" in " ".join(text.split()), text

"""Writing and sending mail, and waiting until something is true."""
import base64
import itertools
import os
import re
import smtplib
import socket
import sys
import time

_numbers = itertools.count(1)

# Limits are written for a quiet machine. A busy one may be so many times slower.
PATIENCE = 3


def free_port():
    """A TCP port on 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _caller():
    """Where until() or never() was called, for a condition without a name."""
    frame = sys._getframe(2)
    return f"{os.path.basename(frame.f_code.co_filename)} line {frame.f_lineno}"


def until(condition, seconds=10, what=None, every=0.02):
    """
    Asks again and again until condition() is true; its value. AssertionError if never. The
    seconds are a quiet machine's, see PATIENCE; what may be text, or a function that makes it.
    """
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            what = what() if callable(what) else what or _caller()
            raise AssertionError(f"not within {seconds * PATIENCE} s: {what}")
        time.sleep(every)


def never(condition, seconds, what=None):
    """The opposite: AssertionError as soon as condition() is true within this time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            raise AssertionError(f"happened: {what or _caller()}")
        time.sleep(0.02)


def new_id(domain="example.com"):
    """A Message-ID that no other message of this run has, with its brackets."""
    return f"<{os.getpid()}.{time.time_ns()}.{next(_numbers)}@{domain}>"


class Message:
    """One mail as its author wrote it. to, cc and bcc are lists of addresses."""

    def __init__(self, sender, to, subject="Hello", body="Hello there.\n", cc=(), bcc=(),
                 parent=None, headers=()):
        self.sender, self.to, self.cc, self.bcc = sender, list(to), list(cc), list(bcc)
        self.subject, self.body, self.parent = subject, body, parent
        self.headers = list(headers)
        self.date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
        self.id = new_id(sender.rpartition("@")[2] or "localhost")

    def recipients(self):
        """The envelope: everybody once, in order."""
        return list(dict.fromkeys(self.to + self.cc + self.bcc))

    def text(self):
        """Header and body with LF line ends; Bcc is in the envelope only."""
        lines = [f"From: <{self.sender}>", "To: " + ",\n ".join(self.to)]
        if self.cc:
            lines.append("Cc: " + ",\n ".join(self.cc))
        lines += [f"Subject: {self.subject}", f"Message-ID: {self.id}",
                  f"Date: {self.date}"]
        if self.parent:
            lines.append(f"In-Reply-To: {self.parent.id}")
            lines.append("References: " + " ".join(self.ancestors()))
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\n".join(lines) + "\n\n" + self.body

    def ancestors(self):
        """The ids of the thread so far, oldest first."""
        above = self.parent.ancestors() if self.parent.parent else []
        return above + [self.parent.id]

    def data(self):
        """What goes over the wire."""
        return self.text().replace("\n", "\r\n").encode()

    def reply(self, sender, body="Thanks.\n", bcc=(), headers=()):
        """An answer to the author alone."""
        return Message(sender, [self.sender], self._answer_subject(), body, bcc=bcc,
                       parent=self, headers=headers)

    def reply_all(self, sender, body="Thanks.\n", headers=()):
        """An answer to everybody the recipients can see, as a mail program makes it."""
        others = [who for who in self.to + self.cc if who not in (sender, self.sender)]
        return Message(sender, [self.sender], self._answer_subject(), body, cc=others,
                       parent=self, headers=headers)

    def _answer_subject(self):
        return self.subject if self.subject.startswith("Re: ") else "Re: " + self.subject


def own_part(data):
    """A delivered mail without our tag header and what the MTA put on top of it."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines, keep = [], True
    for line in head.split(b"\r\n"):
        if line[:1] not in b" \t":
            keep = line.split(b":")[0].lower() not in (
                b"received", b"oops-milter", b"return-path", b"delivered-to")
        if keep:
            lines.append(line)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Refused(Exception):
    """The server did not take the mail; code is its answer."""

    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code = code


def _xtext(value):
    """As XCLIENT takes a value (RFC 3461 4)."""
    return "".join(chr(byte) if 33 <= byte <= 126 and byte not in b"+=" else f"+{byte:02X}"
                   for byte in value.encode())


class Submission:
    """One SMTP connection; several mails may go over it.

    login is what a client with SMTP AUTH would be: XCLIENT tells Postfix, so that the site
    needs no passwords; for Sendmail it is SMTP AUTH. address is the client's IP address as the
    MTA shall see it; Sendmail sees it because it is one of the lab's own network.
    """

    def __init__(self, port, login=None, address=None):
        self._connect(port)
        if self.smtp.has_extn("xclient"):
            self._xclient(login, address)
            return
        if address:
            self.smtp.close()
            self._connect(port, address)
        if login:
            self.smtp.login(login, "any")

    def _connect(self, port, address=None):
        self.smtp = smtplib.SMTP("127.0.0.1", port, "client.example.com", timeout=120,
                                 source_address=(address, 0) if address else None)
        self.smtp.ehlo()

    def _xclient(self, login, address):
        attributes = [("LOGIN", login), ("ADDR", address)]
        given = [f"{name}={_xtext(value)}" for name, value in attributes if value]
        if given:
            self._must(220, *self.smtp.docmd("XCLIENT", " ".join(given)))
            self.smtp.ehlo()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.smtp.close()

    def _must(self, expected, code, text):
        if code != expected:
            raise Refused(code, text.decode(errors="replace"))
        return text.decode(errors="replace")

    def send(self, message, sender=None, recipients=None, data=None, orcpt=None):
        """
        Sends it; the queue id it got. Refused when any step is refused. `orcpt` is what each
        recipient was at first, in xtext.
        """
        envelope_sender = message.sender if sender is None else sender
        recipients = recipients or message.recipients()
        needs_utf8 = not (envelope_sender + "".join(recipients) + message.sender).isascii()
        self._must(250, *self.smtp.mail(envelope_sender, ["SMTPUTF8"] if needs_utf8 else []))
        for recipient in recipients:
            self._must(250, *self.smtp.rcpt(recipient, [f"ORCPT={orcpt}"] if orcpt else []))
        answer = self._must(250, *self.smtp.data(message.data() if data is None else data))
        # "2.0.0 Ok: queued as ID", or "2.0.0 ID Message accepted for delivery"
        return re.search(r"queued as (\w+)|(\w+) Message accepted", answer).expand(r"\1\2")


def send(port, message, login=None, address=None, **envelope):
    """One mail over a connection of its own; login defaults to the author. The queue id."""
    with Submission(port, message.sender if login is None else login, address) as submission:
        return submission.send(message, **envelope)


def attached(delivery):
    """
    The mail that a letter brings back, byte by byte: the whole of its last part, decoded. LF line
    ends of a file in base64 become those of the wire.
    """
    boundary = re.search(r'boundary="([^"]+)"', delivery.header("Content-Type"))[1].encode()
    parts = delivery.data.split(b"\r\n--" + boundary)
    assert len(parts) == 4 and parts[-1].startswith(b"--"), f"{len(parts) - 2} parts"
    head, _, content = parts[2].removeprefix(b"\r\n").partition(b"\r\n\r\n")
    assert b"attachment" in head and b'.eml"' in head, head
    if b"base64" in head:
        assert b"octet-stream" in head
        return base64.b64decode(content).replace(b"\n", b"\r\n")
    assert b"message/rfc822" in head
    return content

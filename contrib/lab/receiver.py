"""The mail server at the far end: takes everything and keeps it, byte by byte.

smtp-sink would do for counting, but its dumps change line ends, say nothing of dot-stuffing
and are visible half written. Tests compare bytes and need single refusals, so this is a
small SMTP server of its own.
"""
import socketserver
import threading
import time


class Delivery:
    """One mail as it arrived: envelope, the exact bytes after dot-unstuffing, and when."""

    def __init__(self, sender, recipients, data):
        self.sender, self.recipients, self.data = sender, recipients, data
        self.time = time.time()

    def __repr__(self):
        return f"Delivery({self.sender!r}, {self.recipients!r}, {len(self.data)} bytes)"

    def header_lines(self):
        """The header as unfolded lines of text."""
        head = self.data.partition(b"\r\n\r\n")[0].decode(errors="replace")
        return head.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n")

    def header(self, name):
        """The first field of this name, or None."""
        start = name.lower() + ":"
        for line in self.header_lines():
            if line.lower().startswith(start):
                return line[len(start):].strip()
        return None

    def body(self):
        return self.data.partition(b"\r\n\r\n")[2]


class _Conversation(socketserver.StreamRequestHandler):
    """One SMTP connection (RFC 5321), as much of it as Postfix needs."""

    timeout = 60

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        try:
            self.say("220 receiver.example ESMTP")
            while True:
                line = self.rfile.readline(4096)
                if not line or not self.answer(line.decode(errors="replace").strip()):
                    return
        except OSError:
            return

    def answer(self, line):
        verb = line[:4].upper()
        if verb == "EHLO":
            self.say("250-receiver.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 0")
        elif verb == "MAIL":
            self.sender, self.recipients = _path(line), []
            self.say("250 2.1.0 Ok")
        elif verb == "RCPT":
            self.recipient(_path(line))
        elif verb == "DATA":
            self.data()
        elif verb == "QUIT":
            self.say("221 2.0.0 Bye")
            return False
        else:
            self.say("250 2.0.0 Ok")
        return True

    def recipient(self, address):
        refusal = self.server.receiver.refusals.get(address.lower())
        if refusal:
            self.say(refusal)
        else:
            self.recipients.append(address)
            self.say("250 2.1.5 Ok")

    def data(self):
        self.say("354 End data with <CR><LF>.<CR><LF>")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return
            lines.append(line[1:] if line.startswith(b".") else line)
        self.server.receiver.keep(Delivery(self.sender, self.recipients, b"".join(lines)))
        self.say("250 2.0.0 Ok: kept")


def _path(line):
    return line[line.find("<") + 1:line.find(">")]


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


class Receiver:
    """Listens on a port of its own (.port) from start() until stop()."""

    def __init__(self):
        self._kept, self._lock, self._server, self.port = [], threading.Lock(), None, 0
        #: address -> the answer to its RCPT command, e.g. "550 5.1.1 no such person"
        self.refusals = {}

    def start(self):
        self._server = _Server(("127.0.0.1", self.port), _Conversation)
        self._server.receiver = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def keep(self, delivery):
        with self._lock:
            self._kept.append(delivery)

    def received(self, message_id=None, recipient=None):
        """What came so far, oldest first: all, or one message, or one person's mail."""
        with self._lock:
            kept = list(self._kept)
        if message_id:
            kept = [one for one in kept if one.header("Message-ID") == message_id]
        if recipient:
            kept = [one for one in kept if recipient in one.recipients]
        return kept

    def copies(self, message_id):
        """Who got this message: address -> number of copies."""
        counts = {}
        for delivery in self.received(message_id):
            for recipient in delivery.recipients:
                counts[recipient] = counts.get(recipient, 0) + 1
        return counts

    def forget(self):
        with self._lock:
            self._kept.clear()

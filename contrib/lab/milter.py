"""Speaking to a milter as an MTA does (protocol version 6), for what no MTA would do.

Real mail goes through a real Postfix; this is for limits, garbage, and for looking at the
answers themselves.
"""
import socket
import struct

ALL_ACTIONS = 0x1FF
ALL_STEPS = 0x1FFFFF
SKIP_DATA = 0x200
LEADING_SPACE = 0x100000
#: command -> the step flag by which a milter promises not to answer it
SILENT = {"C": 0x1000, "H": 0x2000, "M": 0x4000, "R": 0x8000, "T": 0x10000,
          "L": 0x80, "N": 0x40000, "B": 0x80000}
#: command -> the step flag by which a milter does not want to see it
SKIPPED = {"C": 0x1, "H": 0x2, "M": 0x4, "R": 0x8, "B": 0x10, "L": 0x20, "N": 0x40,
           "T": 0x200, "U": 0x100}
#: answers that end the conversation about one command; all others are changes on the way
FINAL = "acdrtysf4"


class Closed(Exception):
    """The milter has closed the connection."""


class Milter:
    """One connection. `changes` are the modifications of the last end of message."""

    def __init__(self, path, actions=ALL_ACTIONS, steps=ALL_STEPS, negotiate=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.changes, self.sent = [], []
        self.actions = self.steps = 0
        if negotiate:
            self.negotiate(actions, steps)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def put(self, command, data=b""):
        """One packet, whatever it holds."""
        self.sent.append(command)
        self.socket.sendall(struct.pack("!I", len(data) + 1) + command.encode() + data)

    def get(self):
        """One packet: command and data."""
        length, = struct.unpack("!I", self._exactly(4))
        packet = self._exactly(length)
        return chr(packet[0]), packet[1:]

    def _exactly(self, length):
        data = b""
        while len(data) < length:
            try:
                piece = self.socket.recv(length - len(data))
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Closed()
            data += piece
        return data

    def negotiate(self, actions, steps):
        self.put("O", struct.pack("!III", 6, actions, steps))
        command, data = self.get()
        assert command == "O", command
        _, self.actions, self.steps = struct.unpack("!III", data[:12])
        #: step number -> the macros that the milter asked for
        self.symbols, rest = {}, data[12:]
        while rest:
            text, _, after = rest[4:].partition(b"\0")
            self.symbols[struct.unpack("!I", rest[:4])[0]] = text.decode()
            rest = after

    def macros(self, command, **values):
        """What the MTA tells before a command; `i` and {auth_authen} for example."""
        data = command.encode()
        for name, value in values.items():
            name = name if len(name) == 1 else "{" + name + "}"
            data += name.encode() + b"\0" + value.encode() + b"\0"
        self.put("D", data)

    def step(self, command, data=b""):
        """One command, unless the milter does not want it; its answer, None if it promised none."""
        if self.steps & SKIPPED.get(command, 0):
            return None
        self.put(command, data)
        return None if self.steps & SILENT.get(command, 0) else self.answer()

    def answer(self):
        """The answer to the last command; what comes before it goes to `changes`."""
        while True:
            command, data = self.get()
            if command in FINAL:
                return command
            self.changes.append((command, data))

    def connect(self, host="localhost", address="127.0.0.1", port=2525):
        self.macros("C", v="Postfix 3.7.11")
        return self.step("C", host.encode() + b"\0" + b"4" + struct.pack("!H", port) +
                         address.encode() + b"\0")

    def envelope(self, sender, recipients, login=None):
        self.macros("M", mail_addr=sender, **({"auth_authen": login} if login else {}))
        self.step("M", f"<{sender}>".encode() + b"\0")
        for recipient in recipients:
            self.step("R", f"<{recipient}>".encode() + b"\0")

    def field(self, name, value):
        space = " " if self.steps & LEADING_SPACE else ""
        return self.step("L", name.encode() + b"\0" + (space + value).encode() + b"\0")

    def header(self, fields, queue_id="4TEST1"):
        """All fields and the end of the header: its answer."""
        for name, value in fields:
            self.field(name, value)
        self.macros("N", i=queue_id)
        return self.step("N")

    def body(self, data, queue_id="4TEST1"):
        """The body in chunks and the end of the message: its answer."""
        self.changes = []
        for start in range(0, len(data), 65535):
            if self.step("B", data[start:start + 65535]) == "s":
                break
        self.macros("E", i=queue_id)
        return self.step("E")

    def mail(self, message, login=None, queue_id="4TEST1"):
        """One whole lab.mail.Message: the answer that settled it, and at which command."""
        self.envelope(message.sender, message.recipients(), login)
        answer = self.header(fields_of(message), queue_id)
        if answer != "c":
            return answer, "N"
        return self.body(message.body.replace("\n", "\r\n").encode(), queue_id), "E"

    def abort(self):
        self.put("A")

    def quit(self):
        self.put("Q")
        self.close()

    def removed(self):
        """Fields that the milter took out: (name, index), in the order it asked."""
        found = []
        for command, data in self.changes:
            if command == "m":
                name, value = data[4:].split(b"\0")[:2]
                if not value:
                    found.append((name.decode(), struct.unpack("!I", data[:4])[0]))
        return found

    def added(self):
        """Fields that the milter added: (name, value)."""
        return [tuple(part.decode() for part in data.split(b"\0")[:2])
                for command, data in self.changes if command == "h"]

    def quarantined(self):
        """The reason given for holding the mail, or None."""
        for command, data in self.changes:
            if command == "q":
                return data.rstrip(b"\0").decode()
        return None


def fields_of(message):
    """The header fields of a lab.mail.Message as (name, value), folding included."""
    fields = []
    for line in message.text().partition("\n\n")[0].split("\n"):
        if line[0] in " \t":
            fields[-1][1] += "\n" + line
        else:
            name, _, value = line.partition(": ")
            fields.append([name, value])
    return [tuple(field) for field in fields]

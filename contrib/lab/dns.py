"""A DNS of our own, and programs that ask nobody else.

    dns = Dns({("example.com", "TXT"): ["v=spf1 ip4:192.0.2.9 -all"]})
    dns.take_over()     # for this process and those it starts from now on
    dns.mute = True     # from now on nobody gets an answer

take_over() gives the process a mount namespace of its own in which /etc/resolv.conf names our
address: the rest of the machine sees nothing of it. Needs root.
"""
import ctypes
import os
import random
import socket
import struct
import tempfile
import threading

TYPES = {"A": 1, "MX": 15, "TXT": 16, "AAAA": 28}
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
NAME_ERROR, POINTER_TO_QUESTION = 3, 0xC00C


class Dns:
    """Answers on port 53 of some loopback address from `records`: (name, type) -> values."""

    resolv_conf = None  # the file in its place, for all of this process

    def __init__(self, records):
        self.records, self.mute, self.asked = dict(records), False, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(100):
            self.address = "127." + ".".join(str(random.randint(2, 250)) for _ in range(3))
            try:
                self.socket.bind((self.address, 53))
                break
            except OSError:
                continue
        self.stream = socket.create_server((self.address, 53))
        threading.Thread(target=self._serve, daemon=True).start()
        threading.Thread(target=self._serve_stream, daemon=True).start()

    def _serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            if not self.mute:
                answer = self._answer(query)
                if len(answer) > 512:  # RFC 1035 4.2.1: the rest is asked for by TCP
                    flags = struct.unpack("!H", answer[2:4])[0] | 0x0200
                    answer = (answer[:2] + struct.pack("!HHHHH", flags, 1, 0, 0, 0)
                              + query[12:query.index(b"\0", 12) + 5])
                self.socket.sendto(answer, peer)
            else:
                self.asked.append(None)

    def _serve_stream(self):
        """One question a connection."""
        while True:
            connection, _ = self.stream.accept()
            with connection, connection.makefile("rb") as file:
                length = file.read(2)
                if len(length) == 2 and not self.mute:
                    answer = self._answer(file.read(struct.unpack("!H", length)[0]))
                    connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("ascii").lower())
            at += 1 + query[at]
        name, (kind,) = ".".join(labels), struct.unpack("!H", query[at + 1:at + 3])
        self.asked.append((name, kind))
        found = [data for (of, word), values in self.records.items() for data in values
                 if of == name and TYPES[word] == kind]
        is_there = any(of == name for of, _ in self.records)
        header = query[:2] + struct.pack("!HHHHH", 0x8180 | (0 if is_there else NAME_ERROR),
                                         1, len(found), 0, 0)
        return header + query[12:at + 5] + b"".join(
            struct.pack("!HHHIH", POINTER_TO_QUESTION, kind, 1, 60, len(data)) + data
            for data in (encoded(kind, value) for value in found))

    def take_over(self):
        """See above. It cannot be taken back, but another one may take over."""
        if Dns.resolv_conf is None:
            Dns.resolv_conf = tempfile.NamedTemporaryFile("w", prefix="oops-lab-resolv.")
            os.chmod(Dns.resolv_conf.name, 0o644)
            self._bind(Dns.resolv_conf.name)
        Dns.resolv_conf.seek(0)
        Dns.resolv_conf.truncate()
        Dns.resolv_conf.write(f"nameserver {self.address}\n")
        Dns.resolv_conf.flush()

    @staticmethod
    def _bind(path):
        """Puts a file in the place of resolv.conf, for this process and its children."""
        libc = ctypes.CDLL(None, use_errno=True)
        for code in (libc.unshare(CLONE_NEWNS),
                     libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None),
                     libc.mount(path.encode(), os.path.realpath("/etc/resolv.conf").encode(),
                                None, MS_BIND, None)):
            if code != 0:
                raise OSError(ctypes.get_errno(), "no resolv.conf of our own")


def encoded(kind, value):
    """The data of one record."""
    if kind == TYPES["TXT"]:
        pieces = [value[at:at + 255] for at in range(0, len(value), 255)] or [""]
        return b"".join(bytes([len(piece)]) + piece.encode("ascii") for piece in pieces)
    return socket.inet_aton(value)

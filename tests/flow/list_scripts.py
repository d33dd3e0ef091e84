"""The scripts that write member files: what a server says becomes files, whole or not at all."""
import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import urllib.parse

ONLY = "postfix"  # no MTA has a part in it: once is enough

CONTRIB = pathlib.Path(__file__).resolve().parent.parent.parent / "contrib"

LISTS = {"choir.lists.example.com": ["ann@example.com", "bob@example.com"],
         "all.lists.example.com": [f"person{number:04}@example.com" for number in range(1201)]}


class FakeMailman(http.server.BaseHTTPRequestHandler):
    """The two collections of Mailman's REST API, page by page; some lists fail."""
    broken = set()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.split("/")[2:]  # behind /3.1
        if not self.headers.get("Authorization", "").startswith("Basic "):
            return self.answer(401, {})
        if parts == ["lists"]:
            return self.page(query, [{"list_id": one, "fqdn_listname": one.replace(".", "@", 1)}
                                     for one in LISTS])
        if parts[1] in self.broken:
            return self.answer(500, {})
        return self.page(query, [{"email": one, "delivery_mode": "regular"}
                                 for one in LISTS[parts[1]]])

    def page(self, query, entries):
        count, page = int(query["count"]), int(query["page"])
        part = entries[count * (page - 1):count * page]
        self.answer(200, {"start": 0, "total_size": len(entries),
                          **({"entries": part} if part else {})})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def run(*command, **arguments):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=60, check=False, **arguments)


def members(path):
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def test_mailman():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeMailman)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name, "lists")
        folder.mkdir()
        password = pathlib.Path(name, "password")
        password.write_text("secret\n")
        command = (CONTRIB / "lists/mailman-lists", "--url",
                   f"http://127.0.0.1:{server.server_port}/3.1", "--password-file", password, folder)
        done = run(*command)
        assert done.returncode == 0, done.stderr
        assert sorted(os.listdir(folder)) == ["all@lists.example.com", "choir@lists.example.com"]
        assert members(folder / "all@lists.example.com") == LISTS["all.lists.example.com"]
        # a list that fails keeps what was known; one that is gone goes; others' files stay
        (folder / "own@example.com").write_text("bob@example.com\n")
        (folder / "gone@example.com").write_text("# written by mailman-lists\nbob@example.com\n")
        FakeMailman.broken = {"choir.lists.example.com"}
        done = run(*command)
        assert done.returncode == 1 and "choir@lists.example.com" in done.stderr
        assert members(folder / "choir@lists.example.com") == LISTS["choir.lists.example.com"]
        assert sorted(os.listdir(folder)) == [
            "all@lists.example.com", "choir@lists.example.com", "own@example.com"]
    server.shutdown()


LDIF = """dn: cn=choir,ou=groups,dc=example
mail: Choir@example.com
member: uid=ann,dc=example
member: UID=Bob,dc=example
member: uid=nobody,dc=example

dn: uid=ann,dc=example
mail: ann@example.com

dn: uid=bob,dc=example
mail:: Ym9iQGV4YW1wbGUuY29t
"""


def test_ldap():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name, "lists")
        folder.mkdir()
        fake = pathlib.Path(name, "ldapsearch")
        fake.write_text(f"#!/bin/sh\necho \"$@\" >> {name}/asked\ncase $* in\n"
                        f"*groupOfNames*) sed '/^$/q' {name}/answer ;;\n*) cat {name}/answer ;;\n"
                        f"esac\nexit $(cat {name}/status)\n")
        fake.chmod(0o755)
        pathlib.Path(name, "answer").write_text(LDIF)
        pathlib.Path(name, "status").write_text("0")
        command = (CONTRIB / "lists/ldap-lists", "--base", "dc=example", folder, "--", "-H",
                   "ldap://127.0.0.1")
        environment = dict(os.environ, PATH=name + ":" + os.environ["PATH"])
        done = run(*command, env=environment)
        assert done.returncode == 0, done.stderr
        assert os.listdir(folder) == ["choir@example.com"]
        assert members(folder / "choir@example.com") == ["ann@example.com", "bob@example.com"]
        assert "-H ldap://127.0.0.1" in pathlib.Path(name, "asked").read_text()
        # a size limit (4) is no answer
        pathlib.Path(name, "status").write_text("4")
        pathlib.Path(name, "answer").write_text(LDIF.split("\n\n")[0])
        done = run(*command, env=environment)
        assert done.returncode == 1 and "ended with 4" in done.stderr
        assert members(folder / "choir@example.com") == ["ann@example.com", "bob@example.com"]

"""The scripts that write member files: what a server says becomes files, whole or not at all."""
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import urllib.parse

from lab.mail import free_port, until

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
                          timeout=120, check=False, **arguments)


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


SLAPD_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
objectclass ( 1.2.840.113556.1.5.8 NAME 'group' SUP top STRUCTURAL MUST cn
  MAY ( member $ mail ) )
# what a search may return without pages, and with them
sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited
database mdb
suffix "dc=example"
rootdn "cn=admin,dc=example"
rootpw secret
directory {folder}/db
"""

PEOPLE = "".join(f"""
dn: uid={name},ou=people,dc=example
objectClass: inetOrgPerson
uid: {name}
cn: {name}
sn: {name}
""" + (f"mail: {name}@example.com\n" if name != "mute" else "")
                 for name in ["ann", "bob", "carl", "dora", "mute"]
                 + [f"person{number:04}" for number in range(1201)])

GROUPS = """
dn: cn=choir,ou=groups,dc=example
objectClass: groupOfNames
objectClass: extensibleObject
cn: choir
mail: Choir@example.com
member: uid=ann,ou=people,dc=example
member: UID=Bob, ou=People,dc=example

dn: cn=band,ou=groups,dc=example
objectClass: groupOfUniqueNames
objectClass: extensibleObject
cn: band
mail: band@example.com
uniqueMember: uid=bob,ou=people,dc=example#'01'B
uniqueMember: uid=carl,ou=people,dc=example

dn: cn=unix,ou=groups,dc=example
objectClass: posixGroup
objectClass: extensibleObject
cn: unix
gidNumber: 1000
mail: unix@example.com
memberUid: ann
memberUid: Dora

dn: cn=windows,ou=groups,dc=example
objectClass: group
cn: windows
mail: windows@example.com
member: uid=ann,ou=people,dc=example
member: cn=choir,ou=groups,dc=example
member: cn=silent,ou=groups,dc=example

dn: cn=silent,ou=groups,dc=example
objectClass: group
cn: silent
member: uid=dora,ou=people,dc=example
member: cn=windows,ou=groups,dc=example

dn: cn=some,ou=groups,dc=example
objectClass: groupOfNames
objectClass: extensibleObject
cn: some
mail: some@example.com
member: uid=ann,ou=people,dc=example
member: uid=mute,ou=people,dc=example
member: uid=gone,ou=people,dc=example

dn: cn=all,ou=groups,dc=example
objectClass: groupOfNames
objectClass: extensibleObject
cn: all
mail: all@example.com
""" + "".join(f"member: uid=person{number:04},ou=people,dc=example\n" for number in range(1201))

BASE = """
dn: dc=example
objectClass: domain
dc: example
""" + "".join(f"""
dn: ou={name},dc=example
objectClass: organizationalUnit
ou: {name}
""" for name in ("people", "groups"))


class Slapd:
    """A real LDAP server on loopback, from a folder of its own."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        # under another name no profile of the system binds it to its usual folders
        self.program = folder / "directory"

    def __enter__(self):
        shutil.copy("/usr/sbin/slapd", self.program)
        (self.folder / "db").mkdir()
        conf = self.folder / "slapd.conf"
        conf.write_text(SLAPD_CONF.format(folder=self.folder))
        subprocess.run([self.program, "-T", "add", "-q", "-f", conf], input=BASE + PEOPLE + GROUPS,
                       text=True, check=True)
        self.process = subprocess.Popen([self.program, "-d", "0", "-f", conf, "-h", self.url()])
        until(lambda: run("ldapsearch", "-x", "-H", self.url(), "-b", "dc=example", "-s", "base"
                          ).returncode == 0, 20, "slapd answers")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def url(self):
        return f"ldap://127.0.0.1:{self.port}"

    def change(self, program, *arguments, given=None):
        done = run(program, "-x", "-H", self.url(), "-D", "cn=admin,dc=example", "-w", "secret",
                   *arguments, input=given)
        assert done.returncode == 0, done.stderr


def people(*names):
    return [f"{name}@example.com" for name in names]


def test_ldap():
    with tempfile.TemporaryDirectory() as name, Slapd(pathlib.Path(name)) as slapd:
        folder = pathlib.Path(name, "lists")
        folder.mkdir()
        (folder / "own@example.com").write_text("bob@example.com\n")
        (folder / "far@example.net").write_text("# written by ldap-lists --base dc=net\n")

        def write(*more, base="dc=example"):
            return run(CONTRIB / "lists/ldap-lists", "--base", base, folder, "--", "-H",
                       slapd.url(), *more)

        done = write()
        assert done.returncode == 0, done.stderr
        found = {path.name.partition("@")[0]: members(path) for path in folder.iterdir()}
        assert found == {
            "choir": people("ann", "bob"), "band": people("bob", "carl"),
            "unix": people("ann", "dora"),
            "windows": ["Choir@example.com"] + people("ann", "dora"),
            "some": people("ann") + ["..."], "own": people("bob"), "far": [],
            "all": people(*(f"person{number:04}" for number in range(1201)))}, found
        assert done.stderr == ("ldap-lists: some@example.com: no address of 2 members: uid=gone,"
                               "ou=people,dc=example, uid=mute,ou=people,dc=example\n")
        assert write().stderr == "", "it is told once"
        # a limit that is exceeded is no answer, nor is a directory without groups
        (folder / "choir@example.com").write_text("kept\n")
        for done in (write("-z", "3"), write(base="ou=people,dc=example")):
            assert done.returncode == 1 and done.stderr, done
            assert members(folder / "choir@example.com") == ["kept"]
        # what is gone goes, what others wrote stays
        slapd.change("ldapdelete", "cn=band,ou=groups,dc=example")
        slapd.change("ldapmodify", given="dn: uid=mute,ou=people,dc=example\nchangetype: modify\n"
                     "add: mail\nmail: mute@example.com\n\n"
                     "dn: cn=some,ou=groups,dc=example\nchangetype: modify\n"
                     "delete: member\nmember: uid=gone,ou=people,dc=example\n")
        done = write()
        assert done.returncode == 0 and not done.stderr, done
        assert sorted(os.listdir(folder)) == people("all", "choir") + ["far@example.net"] + people(
            "own", "some", "unix", "windows")
        assert members(folder / "some@example.com") == people("ann", "mute")


PIECES = """#!/bin/sh
case $* in
*range=2-*) printf 'dn: CN=all,DC=x\nmember;range=2-*: mail3@x.example\n' ;;
*objectClass=group*) printf 'dn: CN=all,DC=x\nmail: all@x.example\n'
	printf 'member;range=0-1: mail1@x.example\nmember;range=0-1: mail2@x.example\n' ;;
esac
"""


def test_ldap_in_pieces():
    """Active Directory gives 1,500 members at a time, and OpenLDAP cannot be made to."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name, "lists")
        folder.mkdir()
        fake = pathlib.Path(name, "ldapsearch")
        fake.write_text(PIECES)
        fake.chmod(0o755)
        done = run(CONTRIB / "lists/ldap-lists", "--base", "dc=x", folder,
                   env=dict(os.environ, PATH=name + ":" + os.environ["PATH"]))
        assert done.returncode == 0 and not done.stderr, done
        assert members(folder / "all@x.example") == [f"mail{one}@x.example" for one in (1, 2, 3)]

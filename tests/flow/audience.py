"""Lists: all@ is one recipient of the milter's and forty people for everybody else."""
import os
import re
import subprocess
import time

from lab import story
from lab.mail import Message, until
from lab.site import Site
from lab.story import ANNA, COLLEAGUES

ALL = "all@example.com"


class ListSite(Site):
    """A site whose Postfix expands all@ itself, from files that the milter reads as well."""

    def __init__(self, lists, files):
        self.files = files
        super().__init__({"lists": lists})

    def _make_folders(self):
        super()._make_folders()
        (self.folder / "lists").mkdir(mode=0o755)
        os.chmod(self.folder / "lists", 0o755)
        for name, text in self.files.items():
            self.write_list(name, text)
        self.changes = {"lists": [
            {key: value.replace("FOLDER", f"{self.folder}/lists") if isinstance(value, str)
             else value for key, value in entry.items()} for entry in self.changes["lists"]]}

    def write_list(self, name, text):
        """As an admin's tool does: beside the old one, then in its place."""
        fresh = self.folder / "lists" / ("." + name)
        fresh.write_text(text, encoding="utf-8")
        os.chmod(fresh, 0o644)
        fresh.rename(self.folder / "lists" / name)


def virtual(people=COLLEAGUES + [ANNA]):
    """All of them behind one address, as virtual(5) has it."""
    return ALL + "\t" + ",\n\t".join(people) + "\n"


def held(site, message):
    """Sends a message that must be held: its letter's words and the audit's line."""
    hold = story.hold_of(site, site.send(message))
    return site.letters(ANNA)[0], site.audit("hold", id=hold)[0]


def plain(letter):
    """What a letter says, without its encoding's soft line ends."""
    return letter.data.decode("utf-8", "replace").replace("=\r\n", "")


def test_a_virtual_table_counts_its_people():
    with ListSite([{"virtual": "FOLDER/virtual"}], {"virtual": virtual()}) as site:
        table = f"{site.folder}/lists/virtual"
        subprocess.run(["postmap", "-c", site.postfix.config_directory, "hash:" + table],
                       check=True)
        subprocess.run(["postconf", "-c", site.postfix.config_directory, "-e",
                        "virtual_alias_maps = hash:" + table], check=True)
        subprocess.run(["postfix", "-c", site.postfix.config_directory, "reload"], check=True,
                       capture_output=True)
        story.teach(site)
        message = Message(ANNA, [ALL], "Lunch")
        letter, line = held(site, message)
        assert (line["recipients"], line["people"]) == ("1", "39"), "Anna is one of the 40"
        assert "39 people" in plain(letter)
        assert "39 people" in site.oopsctl("show", line["id"], check=True).stdout
        # and it is the list indeed that Postfix sends it to
        site.oopsctl("send", line["id"], check=True)
        until(lambda: len(site.receiver.copies(message.id)) >= 40, 20, "everybody has it")


test_a_virtual_table_counts_its_people.only = "postfix"


def test_postmap_is_asked_about_a_table():
    files = {"virtual": virtual(COLLEAGUES[:38] + ["more@example.com"]) +
             "more@example.com\t" + ", ".join(COLLEAGUES[36:] + [ANNA]) + "\n"}
    with ListSite([{"table": "hash:FOLDER/virtual"}], files) as site:
        table = f"{site.folder}/lists/virtual"
        subprocess.run(["postmap", "-c", site.postfix.config_directory, "hash:" + table],
                       check=True)
        story.teach(site)
        _, line = held(site, Message(ANNA, [ALL], "Lunch"))
        assert (line["recipients"], line["people"]) == ("1", "39"), line
        assert "at least" not in explain(site) and "39 people" in explain(site)


test_postmap_is_asked_about_a_table.only = "postfix"


def test_a_command_knows_the_size():
    command = ["/bin/sh", "-c", 'test "$1" = all@example.com && echo 412', "size"]
    with ListSite([{"address": ALL, "command": command}], {}) as site:
        story.teach(site)
        letter, line = held(site, Message(ANNA, [ALL], "Lunch"))
        assert line["people"] == "412", line
        assert "412 people" in plain(letter)


def test_a_command_that_hangs_stops_no_mail():
    command = ["/bin/sh", "-c", "sleep 100", "size"]
    with ListSite([{"address": ALL, "command": command, "timeout": 1}], {}) as site:
        site.allow(r"lists: /bin/sh did not end in time")
        for subject in ("Lunch", "Dinner"):
            message = Message(ANNA, [ALL], subject)
            site.send(message)
            until(lambda: site.receiver.received(message.id), 20, "it is delivered")
        told = [line for line in site.log("oops-milter") if "in time" in line]
        assert len(told) == 1, told


def test_the_letter_says_at_least():
    files = {"aliases": "all: " + ", ".join(COLLEAGUES) + ", :include:/nonexistent\n"}
    with ListSite([{"aliases": "FOLDER/aliases"}], files) as site:
        story.teach(site)
        letter, line = held(site, Message(ANNA, [ALL], "Lunch"))
        assert line["people"] == "39+", line
        assert "at least 39 people" in plain(letter)


def test_a_changed_file_counts_at_once():
    with ListSite([{"folder": "FOLDER", "domain": "example.com"}], {"all": ANNA + "\n"}) as site:
        story.teach(site)
        site.write_list("all", "\n".join(COLLEAGUES) + "\n")
        time.sleep(4)  # files are looked at once a second
        _, line = held(site, Message(ANNA, [ALL], "Lunch"))
        assert line["people"] == "39", line


def explain(site):
    """What a send to all@ would be, as oopsctl sees it now."""
    path = site.folder / "lunch.eml"
    path.write_text(Message(ANNA, [ALL], "Lunch").text(), encoding="utf-8")
    return site.oopsctl("explain", str(path)).stdout


def test_a_broken_file_changes_nothing():
    with ListSite([{"folder": "FOLDER", "domain": "example.com"}],
                  {"all": "\n".join(COLLEAGUES) + "\n"}) as site:
        complaint = r"lists: .*/all:1: not an address"
        site.allow(complaint)

        def told():
            site.send(Message(ANNA, [COLLEAGUES[0]], "Note"))
            return [line for line in site.log("oops-milter") if re.search(complaint, line)]

        story.teach(site)
        site.write_list("all", "not an address\n")
        until(told, 20, "it is told", every=0.3)
        _, line = held(site, Message(ANNA, [ALL], "Lunch"))
        assert line["people"] == "39", line
        assert len(told()) == 1, "told once, however often it is looked at"
        site.write_list("all", "\n".join(COLLEAGUES[:20]) + "\n")
        until(lambda: "20 people" in explain(site), 10, "the repaired file is read")


def test_a_fifo_keeps_no_mail_waiting():
    with ListSite([{"file": "FOLDER/all", "address": ALL}],
                  {"all": "\n".join(COLLEAGUES) + "\n"}) as site:
        complaint = r"lists: .*/all is not a regular file"
        site.allow(complaint)

        def told():
            message = Message(ANNA, [COLLEAGUES[0]], "Note")
            site.send(message)
            until(lambda: site.receiver.received(message.id), 10, "an ordinary mail")
            return [line for line in site.log("oops-milter") if re.search(complaint, line)]

        story.teach(site)
        assert "39 people" in explain(site)
        fifo = site.folder / "lists" / "all"
        fifo.unlink()
        os.mkfifo(fifo, 0o644)
        until(told, 20, "it is told", every=0.3)
        _, line = held(site, Message(ANNA, [ALL], "Lunch"))
        assert line["people"] == "39", line
        done = site.oopsctl("explain", str(site.folder / "lunch.eml"))
        assert done.returncode == 78 and "not a regular file" in done.stderr, done

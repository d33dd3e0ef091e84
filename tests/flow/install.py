"""A site as README.md and `oopsctl init` have it: users by name, and the lines to copy, copied."""

import functools
import os
import pathlib
import pwd
import re
import shlex
import shutil
import subprocess
import tempfile

from check import clean, findings
from lab import story, web
from lab.site import Site, merge
from lab.story import ANNA

README = pathlib.Path(__file__).resolve().parent.parent.parent / "README.md"
SETTINGS = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                       {"action": "pass"})}
# Who gave up root cannot be looked into any more, by a sanitizer as little as by anybody.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"


@functools.cache
def make_users():
    """README's users, in an /etc that nobody but this process and its children sees."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    folder = tempfile.mkdtemp(prefix="oops-lab-etc.")
    subprocess.run(["cp", "-a", "/etc/.", folder], check=True)
    os.chmod(folder, 0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/etc"], check=True)
    subprocess.run(["cp", "-a", f"{folder}/.", "/etc"], check=True)
    shutil.rmtree(folder)
    for name in ("oops-milter", "oops-web"):  # the machine may have installed us
        subprocess.run(["userdel", name], capture_output=True, check=False)
        subprocess.run(["groupdel", name], capture_output=True, check=False)
    lines = re.findall(r"^useradd .*$", README.read_text("utf-8"), re.MULTILINE)
    assert len(lines) == 2, lines
    for line in lines:
        subprocess.run(shlex.split(line, comments=True), check=True)


class NamedSite(Site):
    """Root starts all programs; they become the users of the defaults."""

    def __init__(self, programs, without=None):
        super().__init__(SETTINGS, programs=programs)
        self.without = without  # a command of init that is forgotten

    def rights(self, name):
        return {"user": 0, "group": 0, "extra_groups": []}

    def settings(self):
        return merge(super().settings(), {
            "user": "oops-milter", "group": "", "mta": {"queue_user": "oops-milter"},
            "web": {"user": "oops-web", "group": ""}})

    def _make_folders(self):
        make_users()
        super()._make_folders()
        shutil.rmtree(self.folder / "state")  # init makes it
        os.chown(self.folder / "run", pwd.getpwnam("oops-milter").pw_uid, -1)

    def _give_away(self):
        lines = re.findall(r"^  (.*)$", self.oopsctl("init", check=True).stdout, re.MULTILINE)
        assert {line.split()[0] for line in lines} == {"usermod", "chown", "chmod"}, lines
        for line in lines:
            if line.split()[0] != self.without:
                subprocess.run(["sh", "-e", "-c", line], check=True)


def asked_and_sent(site):
    """A slip is held, and what its author wants done."""
    story.teach(site)
    message, queue_id = story.slip(site, story.announce(site))
    link = site.link(ANNA)
    assert site.mta.queued(queue_id) == "hold"
    assert web.press(link, "send").status == 303
    story.reaches(site, message)


def test_whichever_opens_held_mail_first():
    for first, then in (("oops-web", "oops-milter"), ("oops-milter", "oops-web")):
        with NamedSite(("oops-queued", first, then)) as site:
            made = {path.name: path.owner() for path in (site.folder / "state/holds").glob("*-???")}
            assert made == {"holds.db-wal": first, "holds.db-shm": first}, made
            asked_and_sent(site)
            clean(site)


def test_who_is_not_in_the_group_is_told_before_it_matters():
    make_users()
    subprocess.run(["gpasswd", "-d", "oops-milter", "oops-web"], capture_output=True, check=False)
    with NamedSite(("oops-queued", "oops-milter", "oops-web"), without="usermod") as site:
        found = findings(site, 69, "fault")
        assert len(found) == 1 and "files: oops-milter, as user oops-milter, is not in group " \
            "oops-web, and so cannot use what oops-web makes" in found[0], found
        change = re.search("change: (usermod .*), and start oops-milter anew", found[0])
        subprocess.run(shlex.split(change[1]), check=True)
        assert findings(site, 69, "fault") == found  # it runs as it began
        site.end("oops-milter")
        site.run("oops-milter")
        clean(site)
        holds = site.folder / "state/holds"
        os.chmod(holds, 0o770)
        found = findings(site, 69, "fault")
        assert len(found) == 1 and f"change: chmod 2770 {holds}" in found[0] \
            and "oops-web, as user oops-web, is not in group oops-milter" in found[0], found
        os.chmod(holds, 0o2770)
        clean(site)


def test_readme_builds_outside_the_source():
    """What configure leaves in the source keeps every other folder from building there."""
    assert re.search(r"mkdir -p (build/\S+) && cd \1 &&\s+\.\./\.\./configure ",
                     README.read_text("utf-8"))

"""Who the programs are: root gives itself up, for good, or they do not start."""

import os
import pathlib
import resource
import subprocess

from lab import story, web
from lab.site import HOLDS_GID, MILTER_UID, WEB_UID, Site, libconfig, merge
from lab.story import ANNA

SETTINGS = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                       {"action": "pass"})}
# Who gave up root cannot be looked into any more, by a sanitizer as little as by anybody.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"


class RootSite(Site):
    """A site whose programs are all started by root."""

    def rights(self, name):
        return {"user": 0, "group": 0, "extra_groups": []}


def status(process):
    """What the kernel says of every thread of a process: key -> the different values."""
    found = {}
    for path in pathlib.Path(f"/proc/{process.pid}/task").glob("*/status"):
        for line in path.read_text().splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key, set()).add(value.strip())
    return found


def has_given_up(process, uid):
    seen = status(process)
    assert seen["Uid"] == {"\t".join([str(uid)] * 4)}, seen["Uid"]
    assert seen["Gid"] == {"\t".join([str(HOLDS_GID)] * 4)}, seen["Gid"]
    assert seen["Groups"] == {""}, seen["Groups"]
    assert seen["NoNewPrivs"] == {"1"}
    for which in ("CapEff", "CapPrm", "CapAmb"):
        assert seen[which] == {"0" * 16}, f"{which} {seen[which]}"


def start(site, name, *arguments, changes=None, **rights):
    """Runs a program that must end at once: its code, and what it said."""
    conf = site.folder / "other.conf"
    settings = merge(merge(site.settings(), site.changes), changes or {})
    conf.write_text(libconfig(settings), encoding="utf-8")
    done = subprocess.run([site.folder / "bin" / name, "-c", conf, *arguments], text=True,
                          capture_output=True, timeout=120, check=False, **rights)
    return done.returncode, done.stdout + done.stderr


def test_root_is_given_up_and_everything_works():
    with RootSite(SETTINGS) as site:
        has_given_up(site.running["oops-milter"], MILTER_UID)
        has_given_up(site.running["oops-web"], WEB_UID)
        assert status(site.running["oops-queued"])["Uid"] == {"0\t0\t0\t0"}
        story.teach(site)
        message, queue_id = story.slip(site, story.announce(site))
        link = site.link(ANNA)
        assert site.mta.queued(queue_id) == "hold"
        assert web.press(link, "send").status == 303
        story.reaches(site, message)
        site.oopsctl("reload", check=True)
        has_given_up(site.running["oops-milter"], MILTER_UID)


def test_whoever_is_nobody_is_told_so():
    with RootSite(SETTINGS) as site:
        for user, group, said in (
                ("no-such-oops", "", 'user = "no-such-oops": there is no such user'),
                ("64001", "no-such-oops", 'group = "no-such-oops": there is no such group'),
                ("64001", "", "no account has this number"),
                ("root", "", "not root"), ("0", "64003", "not root"), ("64001", "0", "not root")):
            for name, prefix, changes in (
                    ("oops-milter", "", {"user": user, "group": group}),
                    ("oops-web", "web.", {"web": {"user": user, "group": group}})):
                code, text = start(site, name, "-f", changes=changes)
                assert code == 78, f"{name} as {user}:{group} ended with {code}: {text}"
                assert prefix + said in text or said in text, text


def test_the_settings_are_tried_as_that_user():
    with RootSite(SETTINGS) as site:
        assert start(site, "oops-milter", "-t") == (0, "")
        code, text = start(site, "oops-milter", "-t", changes={"user": "nobody", "group": ""})
        assert code == 78 and "secret.key: Permission denied" in text, f"{code}: {text}"
        os.chmod(site.conf, 0o600)
        for name in ("oops-milter", "oops-web"):
            done = subprocess.run([site.folder / "bin" / name, "-c", site.conf, "-f"], text=True,
                                  capture_output=True, timeout=120, check=False)
            assert done.returncode == 78 and "cannot read it" in done.stderr, done.stderr


def test_the_helper_is_root_or_nothing():
    with RootSite(SETTINGS) as site:
        code, text = start(site, "oops-queued", "-f", user=MILTER_UID, group=MILTER_UID)
        assert code == 77 and "as root" in text, f"{code}: {text}"


def test_files_are_allowed_or_it_does_not_start():
    """A soft limit is raised; below what is needed nobody starts, and it says what to do."""
    with RootSite(SETTINGS) as site:
        site.allow("files open at a time")
        for name, needed in (("oops-milter", 256), ("oops-web", 320), ("oops-queued", 32)):
            site.end(name)

            def limit(soft, hard):
                return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            code, text = start(site, name, "-f", preexec_fn=limit(24, 24))
            assert code == 71 and f"24 files open at a time and needs {needed}" in text, text
            assert f"LimitNOFILE={needed}" in text, text
            before = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (60, before[1]))
            try:
                site.run(name)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            pid = site.running[name].pid
            line = [line for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
                    if line.startswith("Max open files")][0]
            assert line.split()[3] == line.split()[4] == str(before[1]), line


def test_a_folder_that_others_may_write_to_is_refused():
    with RootSite(SETTINGS) as site:
        site.allow("in the place of ours")
        run = site.folder / "run"
        for mode, who in ((0o2770, "its group"), (0o2757, "anybody")):
            for name in ("oops-milter", "oops-queued"):
                site.end(name)
                os.chmod(run, mode)
                code, text = start(site, name, "-f")
                assert code == 69 and f"{run} can be written by {who}" in text, f"{code}: {text}"
                os.chmod(run, 0o2750)
                site.run(name)
        os.chmod(run, 0o3770)  # sticky: nobody takes another's place
        site.end("oops-queued")
        site.run("oops-queued")

"""The lab's folders, and what of them is left when a run was killed in the middle.

    begin()                     # what every program that uses the lab does first
    folder = Folder()
    ...
    folder.remove()

A signal that ends programs (SIGHUP, SIGINT, SIGTERM) becomes an exception, so that every `with`
and `finally` cleans up. What a kill -9 leaves behind is found by the next begin(): each folder
has a file that is locked as long as its owner lives. Processes that live in a folder without an
owner are ended, and the folder is removed; a line says so.
"""
import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import stat
import sys
import tempfile

PREFIX = "oops-lab."
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def begin():
    """See above. A signal that whoever started us ignores, as nohup does, stays ignored."""
    os.umask(0o022)  # the users of a lab's programs must get into its folders
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    for line in remove_all():
        print(line, flush=True)


def _end(number, _):
    """Only the first one counts: nothing disturbs the one who cleans up."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    sys.exit(128 + number)


class Folder:
    """A temporary folder of the lab, at .path."""

    def __init__(self, mode=0o755):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
        self.path.chmod(mode)
        # Locked before it has its name: a lock file that is not locked has no owner.
        new = self.path / "lock.new"
        self.lock = open(new, "w", encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        new.rename(self.path / "lock")

    def remove(self):
        """Whatever still lives in it is ended first."""
        _end_inhabitants(self.path)
        shutil.rmtree(self.path, ignore_errors=True)
        self.lock.close()


def remove_all():
    """Removes what has no owner; a line of text for each folder."""
    return [_remove(path) for path in sorted(pathlib.Path(tempfile.gettempdir()).glob(PREFIX + "*"))
            if _has_no_owner(path)]


def _has_no_owner(path):
    """Is it a folder that this user's lab has made and that nobody works with any more?"""
    try:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            return False
        with open(path / "lock", "r+", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


def _remove(path):
    ended = _end_inhabitants(path)
    shutil.rmtree(path, ignore_errors=True)
    return f"An earlier run was killed and left {path} with {ended} processes: removed."


def _end_inhabitants(path):
    """How many there were; a Postfix starts new ones until its master is gone."""
    ended = set()
    while found := set(_inhabitants(str(path))) - ended:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended |= found
    return len(ended)


def _inhabitants(path):
    """Processes whose program is in the folder, and those of its Postfix."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            is_ours = (os.readlink(process / "exe").startswith(path + "/bin/")
                       or os.readlink(process / "cwd").startswith(path + "/mta/")
                       or f"MAIL_CONFIG={path}/mta/".encode() in (process / "environ").read_bytes())
        except OSError:
            continue
        if is_ours:
            yield int(process.name)


if __name__ == "__main__":
    begin()

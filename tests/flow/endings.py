"""The lab's programs are ended in the middle, in every way: nothing of them stays.

Each is played in the process and file space of this scenario, where whatever is left is seen.
"""
import contextlib
import io
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from lab.mail import until
from lab.side_by_side import SideBySide
from lab.site import only

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
PYTHON = [sys.executable, "-B"]
QUICKSTART = [*PYTHON, TOP / "contrib/lab/quickstart.py", "--once"]
FLOW = [*PYTHON, TOP / "tests/flow/run", "--build", os.environ["OOPS_BUILD"], "--jobs", "2",
        "letters", "utf8"]
CRASH = [TOP / "tests/run", "crash"]  # it builds first, which is done, and has a log of its own
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def processes():
    """What runs here: process id -> its command."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if not (path / "stat").read_text("ascii").rpartition(")")[2].startswith(" Z"):
                found[int(path.name)] = (path / "cmdline").read_text("utf-8").replace("\0", " ")
    return found


class Program:
    """One of the lab's programs, in a folder for its temporary files."""

    def __init__(self, command, folder):
        os.chmod(folder, 0o755)  # for its users
        self.before, self.output = set(processes()), open(folder + "/output", "w+", encoding="utf-8")
        # Whoever runs the tests by nohup, or in the background of a script, ignores some signals.
        self.process = subprocess.Popen(["env", "--default-signal", *command],
                                        stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT,
                                        env={**os.environ, "TMPDIR": folder})
        self.folder = folder

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """It stays in no one's way, however the test went."""
        self.process.terminate()
        self.process.wait()

    def said(self):
        return pathlib.Path(self.folder, "output").read_text("utf-8")

    def waits_for(self, is_ready, what):
        until(lambda: is_ready() or self.process.poll() is not None, 90, what)
        assert self.process.poll() is None, f"it ended by itself: {self.said()}"

    def left(self):
        """What is left of it, in words."""
        running = [command for pid, command in processes().items() if pid not in self.before]
        return running + [name for name in os.listdir(self.folder) if name != "output"]

    def leaves_nothing(self):
        until(lambda: not self.left(), 20, lambda: f"left: {self.left()}; {self.said()}")


def postfix_runs():
    return any("/postfix/sbin/master" in command for command in processes().values())


def ends(command, number, is_ready, codes):
    """A program is ended by a signal while it works."""
    with tempfile.TemporaryDirectory() as folder, Program(command, folder) as program:
        program.waits_for(is_ready, "it works")
        program.process.send_signal(number)
        code = program.process.wait(60)
        assert code in codes, f"{code}: {program.said()}"
        program.leaves_nothing()
        assert "Traceback" not in program.said(), program.said()


@only("postfix")
def test_quickstart_ended_by_signals():
    for number in SIGNALS:
        ends(QUICKSTART, number, postfix_runs, {128 + number})


@only("postfix")
def test_flow_run_ended_by_signals():
    for number in SIGNALS:
        ends(FLOW, number, postfix_runs, {128 + number})


@only("postfix")
def test_tests_run_ended_by_signals():
    for number in SIGNALS:
        ends(CRASH, number, postfix_runs, {128 + number})


@only("postfix")
def test_killed_suites_leave_no_process():
    for command in (FLOW, CRASH):
        with tempfile.TemporaryDirectory() as folder, Program(command, folder) as program:
            program.waits_for(postfix_runs, "it works")
            program.process.kill()
            program.process.wait()
            until(lambda: set(processes()) <= program.before, 20, "all ends with it")


@only("postfix")
def test_the_next_start_finds_what_a_killed_one_left():
    with tempfile.TemporaryDirectory() as folder:
        killed = Program(QUICKSTART, folder)
        killed.waits_for(postfix_runs, "it works")
        killed.process.kill()
        killed.process.wait()
        left, = pathlib.Path(folder).glob("oops-lab.*")
        assert postfix_runs(), "nothing was left to find"
        following = Program(QUICKSTART, folder)
        following.before = killed.before
        until(lambda: f"killed and left {left} " in following.said(), 30, following.said)
        assert not left.exists()
        following.waits_for(postfix_runs, "it works")
        following.process.terminate()
        following.process.wait(60)
        following.leaves_nothing()


@only("postfix")
def test_a_lab_that_is_at_work_is_left_alone():
    with tempfile.TemporaryDirectory() as folder:
        first = Program(QUICKSTART, folder)
        first.waits_for(postfix_runs, "it works")
        second = Program([*PYTHON, TOP / "contrib/lab/leftovers.py"], folder)
        assert second.process.wait(30) == 0
        time.sleep(1)
        assert first.process.poll() is None and postfix_runs()
        first.process.terminate()
        first.process.wait(60)
        first.leaves_nothing()


def test_a_part_that_hangs_is_ended_and_has_failed():
    before, said = set(processes()), io.StringIO()
    with contextlib.redirect_stdout(said):
        counts = SideBySide(2, seconds=3).play([
            ("hangs", ["sh", "-c", "echo PASS begin; sleep 1000 & sleep 1000"]),
            ("good", ["sh", "-c", "echo PASS all; echo 1 passed, 0 failed"])])
    assert counts == (2, 1), said.getvalue()
    assert "FAIL hangs: " in said.getvalue() and "1 passed" not in said.getvalue()
    until(lambda: set(processes()) <= before, 20, "all of it is ended")

"""Plays several parts of a suite at a time, each in name spaces of its own (see spaces.py).

    passed, failed = SideBySide(3).play([("storm", [sys.executable, "storm.py"]), ...])

A part is a command that prints a line that begins with PASS or FAIL for each of its tests. What
it prints comes at once when it is done, or as it happens when only one plays at a time. Its
closing line `N passed, N failed` is left out: the caller adds up. Its temporary files are in a
folder of its own. Whatever ends play() ends all parts, and nothing of them stays.
"""
import concurrent.futures
import os
import re
import subprocess
import threading

from lab import spaces
from lab.leftovers import Folder

# One more than there are cores: at most times most of them wait.
JOBS = os.cpu_count() + 1
CLOSING = re.compile(r"\d+ passed, \d+ failed\n")


class SideBySide:
    """play() once. A part that takes more than `seconds` is ended and has failed."""

    def __init__(self, jobs=JOBS, seconds=1800, environment=None):
        self.jobs, self.seconds = jobs, seconds
        self.environment = os.environ if environment is None else environment
        self.running, self.lock, self.is_over = set(), threading.Lock(), False

    def play(self, parts):
        """`parts` are pairs of a name and a command, begun in this order."""
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(self._play_one, name, command) for name, command in parts]
            try:
                counts = [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._end()
                raise
        return sum(passed for passed, _ in counts), sum(failed for _, failed in counts)

    def _end(self):
        with self.lock:
            self.is_over = True
            for process in self.running:
                process.kill()

    def _start(self, command, folder):
        with self.lock:
            if self.is_over:
                raise InterruptedError
            process = spaces.start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, text=True, errors="replace",
                                   env={**self.environment, "TMPDIR": str(folder)})
            self.running.add(process)
        return process

    def _play_one(self, name, command):
        """One part; how many passed and failed."""
        folder = Folder(0o1777)  # as /tmp
        try:
            return self._count(name, *self._output(command, folder.path))
        finally:
            folder.remove()

    def _output(self, command, folder):
        """Runs it to its end; its lines and its exit code."""
        process = self._start(command, folder)
        hangs = threading.Timer(self.seconds, process.kill)
        hangs.start()
        lines = []
        for line in process.stdout:
            if not CLOSING.fullmatch(line):
                lines.append(line)
                if self.jobs == 1:
                    print(line, end="", flush=True)
        code = process.wait()
        hangs.cancel()
        with self.lock:
            self.running.discard(process)
        return lines, code

    def _count(self, name, lines, code):
        """Prints what it said, if that is not done yet, and counts it."""
        passed, failed = (sum(line.startswith(word) for line in lines)
                          for word in ("PASS ", "FAIL "))
        last = ""
        if (code != 0 and failed == 0) or code < 0 or code > 128:
            last = f"FAIL {name}: no test, or it broke off with {code}\n"
            failed += 1
        print("".join([] if self.jobs == 1 else lines) + last, end="", flush=True)
        return passed, failed

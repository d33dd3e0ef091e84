"""The project works wherever it is put: behind a closed folder, under a narrow umask, beside an
account of our name; and says so where it cannot."""
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

import samples
from lab.site import MILTER_UID, only

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = ("oops-milter", "oops-web", "oops-queued", "oopsctl")


@only("postfix")
def test_quickstart_from_a_closed_folder_under_a_narrow_umask():
    with tempfile.TemporaryDirectory() as closed:
        for name in PROGRAMS:
            shutil.copy2(pathlib.Path(os.environ["OOPS_BUILD"], name), closed)
        os.chmod(closed, 0o700)
        done = subprocess.run([sys.executable, "-B", TOP / "contrib/lab/quickstart.py", "--once"],
                              env={**os.environ, "OOPS_BUILD": closed}, umask=0o077, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, done.stdout
        assert "Everything above was seen to happen." in done.stdout, done.stdout


def test_a_path_with_a_blank_is_told_at_once():
    with tempfile.TemporaryDirectory(suffix=" of mine") as folder:
        for command, name in (("contrib/quickstart", "quickstart"), ("tests/run", "tests/run")):
            copy = pathlib.Path(folder, command)
            copy.parent.mkdir()
            shutil.copy2(TOP / command, copy)
            done = subprocess.run([copy], capture_output=True, text=True, check=False)
            said = f"{name}: the path \"{folder}\" has a blank in it"
            assert done.returncode == 78 and not done.stdout, done
            assert done.stderr.startswith(said) and done.stderr.count("\n") == 1, done


def test_beside_an_account_of_our_name():
    """As on a machine with our package."""
    with tempfile.TemporaryDirectory() as folder:
        passwd = pathlib.Path(folder, "passwd")
        passwd.write_text("oops-milter:x:990:990::/:/bin/false\n"
                          + pathlib.Path("/etc/passwd").read_text("utf-8"), "utf-8")
        subprocess.run(["mount", "--bind", passwd, "/etc/passwd"], check=True)
        assert pwd.getpwnam("oops-milter").pw_uid == 990
        try:
            samples.make_users()
            assert pwd.getpwnam("oops-milter").pw_uid == MILTER_UID
        finally:
            subprocess.run(["umount", "-l", "/etc/passwd"], check=True)

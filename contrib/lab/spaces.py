"""A program in name spaces of its own: it meets no other lab, and leaves no process behind.

    process = spaces.start([sys.executable, "scenario.py"], stdout=subprocess.PIPE)
    process.kill()      # ends it and all that it started, daemons included

Inside is a network with nothing but loopback, so no port is anybody else's; a host name and
mounts that nobody else sees; and process numbers of its own, whose end is the end of all of them.
It ends with us, too, however we end. Without root it is a plain program in a session of its own.
"""
import os
import subprocess

# The first process inside must wait for whoever loses its parent; a shell does.
INSIDE = ["setpriv", "--pdeathsig", "KILL", "--",
          "unshare", "--mount", "--uts", "--net", "--pid", "--fork", "--kill-child",
          "--mount-proc", "--", "sh", "-c", 'ip link set lo up && "$@"; exit $?', "sh"]


def start(command, **arguments):
    """subprocess.Popen in there. The thread that starts it must live as long as it does."""
    inside = INSIDE if os.geteuid() == 0 else []
    return subprocess.Popen([*inside, *command], start_new_session=True, **arguments)

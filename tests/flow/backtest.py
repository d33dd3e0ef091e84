"""Histories in lines: the programs oopsctl backtest and oopsctl train, from the command line."""
import contextlib
import os
import pathlib
import re
import subprocess
import tempfile

ONLY = "postfix"  # no MTA has a part in it: once is enough
OOPSCTL = str(pathlib.Path(os.environ["OOPS_BUILD"]).resolve() / "oopsctl")
SANITIZER = re.compile(r"runtime error:|Sanitizer")
ACTIONS = ("pass", "tag", "undo", "confirm")


@contextlib.contextmanager
def folder(**files):
    """An empty working directory with these files; nothing else may be in it afterwards."""
    with tempfile.TemporaryDirectory(prefix="oops-lab.") as name:
        path = pathlib.Path(name)
        for file, text in files.items():
            (path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
        yield path


def run(path, *arguments, given=""):
    """oopsctl in this directory, with no settings but the defaults; what became of it."""
    data = given if isinstance(given, bytes) else given.encode()
    done = subprocess.run([OOPSCTL, *arguments], cwd=path, input=data, capture_output=True,
                          timeout=120, check=False)
    said = done.stderr.decode(errors="replace")
    assert not SANITIZER.search(said), said
    return done.returncode, done.stdout.decode(), said


def history(slips=range(250, 400)):
    """Forty people write to two others each; before these mails they would write to thirty."""
    lines = []
    for number in range(400):
        time, sender = 1700000000 + number * 600, f"p{number % 40}@example.com"
        few = ",".join(f"p{(number + other) % 40}@example.com" for other in (1, 2))
        if number in slips:
            many = ",".join(f"q{other}@example.com" for other in range(30))
            lines.append(f"{time}\t{sender}\t{many}\t<slip{number}@x>\t-\tprobe\n")
        lines.append(f"{time}\t{sender}\t{few}\t<send{number}@x>\t-\tsend\n")
    return "".join(lines)


GOOD = "1700000000\ta@x\tb@x,c@x\t<1@x>\t-\tsend\n"

# What is given, how it must end, and what must be said of it.
LINES = (
    (GOOD, 0, ""),
    ("", 0, ""),
    (GOOD.rstrip("\n"), 0, ""),
    (GOOD + GOOD.replace("<1@x>", "-").replace("send", "probe"), 0, ""),
    (GOOD + "rubbish\n", 65, "(standard input):2: 1 fields instead of 6"),
    (GOOD + GOOD.replace("1700000000", "1699999999"), 65,
     "(standard input):2: time 1699999999 is before that of the send before"),
    (GOOD.replace("a@x", "-"), 65, '(standard input):1: sender "-" is no address'),
    (GOOD.replace("b@x,", ","), 65, '(standard input):1: recipient "" is no address'),
    (GOOD.replace("send", "sent"), 65, 'mode "sent" is neither send nor probe'),
    (GOOD.replace("a@x", "a\0x"), 65, "(standard input):1: a NUL byte"),
    (b"\xff\xfe\x00 not text \n", 65, "(standard input):1: "),
)


def test_lines_and_exit_codes():
    with folder() as path:
        for given, code, said in LINES:
            done = run(path, "backtest", "--input", "-", "--output", "-", given=given)
            assert done[0] == code and said in done[2], (given, done)
            assert code or not done[2], (given, done)
            # What was judged before the fault is there, one line out for each line in.
            whole = len(given.splitlines()) if code == 0 else done[1].count("\n")
            assert [line.split("\t")[0] for line in done[1].splitlines()] == \
                [str(number + 1) for number in range(whole)], (given, done)


HALF = "base 0\nsignal audience_size\nunknown 0\nscale 20\n"  # a card that lacks ranges

# The command line, how it must end, and what must be said of it.
BACKTESTS = (
    ("", 64, "usage: "),
    ("--input good", 64, "usage: "),
    ("--output out", 64, "usage: "),
    ("--input good --output out more", 64, "usage: "),
    ("--input good --output out --what", 64, "usage: "),
    ("--input nothing --output out", 66, "nothing: No such file"),
    ("--input good --output no/where", 73, "no/where: No such file"),
    ("--input bad --output out", 65, "bad:2: 1 fields instead of 6"),
    ("--input good --output /dev/full", 70, "No space left"),
    ("--input good --output out --scorecard nothing", 78, "nothing"),
    ("--input good --output out --scorecard half", 78, "half:4: missing range"),
    ("--input good --output out --scorecard card", 0, ""),
    ("--input good --output out --person", 0, ""),
)


def test_command_lines_and_exit_codes():
    with folder(good=GOOD, bad=GOOD + "rubbish\n", card="base 3\n", half=HALF) as path:
        for arguments, code, said in BACKTESTS:
            done = run(path, "backtest", *arguments.split())
            assert done[0] == code and said in done[2], (arguments, done)
        before = set(os.listdir(path))
        assert before == {"good", "bad", "card", "half", "out"}, before  # no site is touched
        wrong = run(path, "-c", "nothing.conf", "backtest", "--input", "good", "--output", "-")
        assert wrong[0] != 0 and "nothing.conf" in wrong[2], wrong


def test_every_line_is_judged_and_always_alike():
    with folder(history=history()) as path:
        for name in ("one", "two"):
            assert run(path, "backtest", "--input", "history", "--output", name) == (0, "", "")
        assert (path / "one").read_bytes() == (path / "two").read_bytes()
        given = (path / "history").read_text().splitlines()
        judged = [line.split("\t") for line in (path / "one").read_text().splitlines()]
        assert len(judged) == len(given)
        for number, (line, (own, score, verdict, reasons)) in enumerate(zip(given, judged), 1):
            assert own == str(number) and 0 <= float(score) <= 1 and verdict in ACTIONS, own
            assert reasons == "-" or all(re.fullmatch(r"\w+:[\d.]+", one)
                                         for one in reasons.split(",")), reasons
            assert verdict == "pass" or line.endswith("probe"), (line, verdict)
        slips = [float(score) for line, (_, score, _, _) in zip(given, judged)
                 if line.endswith("probe")]
        sends = [float(score) for line, (_, score, _, _) in zip(given, judged)
                 if line.endswith("send")]
        assert min(slips) > max(sends[100:]), (min(slips), max(sends[100:]))
        # A probe teaches nothing: without them the sends get the same scores.
        (path / "sends").write_text("".join(line + "\n" for line in given
                                            if line.endswith("send")))
        assert run(path, "backtest", "--input", "sends", "--output", "three") == (0, "", "")
        assert [float(line.split("\t")[1])
                for line in (path / "three").read_text().splitlines()] == sends


TRAININGS = (
    ("", 64, "usage: "),
    ("--output out", 64, "usage: "),
    ("history", 64, "usage: "),
    ("--output out nothing", 66, "nothing: No such file"),
    ("--frmae frame --output out history", 64, "usage: "),
    ("--output no/where history", 73, "no/where: No such file"),
    ("--output /dev/full history", 73, "/dev/full: No space left"),
    ("--output out bad", 65, "bad:2: 1 fields instead of 6"),
    ("--output out plain", 65, "0 slips among 200 examples"),
    ("--output out early", 65, "0 slips among 200 examples"),
    ("--frame nothing --output out history", 78, "nothing"),
    ("--frame half --output out history", 78, "half:4: missing range"),
    ("--frame frame --output out history", 0, ""),
)

FRAME = """base 0
scale 20
signal audience_size rising
unknown 0
-inf..5 0
5..inf 0
"""


def test_training_command_lines_and_exit_codes():
    files = {"history": history(), "plain": history(()), "early": history(range(150)),
             "bad": GOOD + "rubbish\n", "half": HALF, "frame": FRAME}
    with folder(**files) as path:
        for arguments, code, said in TRAININGS:
            done = run(path, "train", *arguments.split())
            assert done[0] == code and said in done[2], (arguments, done)
            assert (path / "out").exists() == (code == 0), arguments


def test_a_trained_card_says_what_of_and_can_be_used():
    with folder(history=history(), frame=FRAME) as path:
        first = run(path, "train", "--frame", "frame", "--output", "-", "history")
        again = run(path, "train", "--frame", "frame", "--output", "-", "./history")
        assert first == again and first[0] == 0, (first, again)
        assert "#   history: 200 real sends, 150 slips\n" in first[1], first[1]
        twice = run(path, "train", "--frame", "frame", "--output", "-", "history", "history")
        assert twice[1].count("#   history: 200 real sends, 150 slips\n") == 2, twice[1]
        # a probe is no send, whatever its sender is called
        (path / "named").write_text(re.sub(r"\tp(\d)", r"\tsend\1", history()))
        named = run(path, "train", "--frame", "frame", "--output", "-", "named")
        assert "#   named: 200 real sends, 150 slips\n" in named[1], named[1]
        (path / "card").write_text(first[1])
        points = float(re.search(r"^\s*5\.\.inf (\S+)$", first[1], re.MULTILINE)[1])
        assert points > 20, first[1]
        done = run(path, "backtest", "--input", "history", "--output", "-",
                   "--scorecard", "card")
        assert done[0] == 0, done
        scores = {line.split("\t")[1] for line in done[1].splitlines()}
        assert len(scores) == 2, scores  # one for few people, one for many

"""Programs of the user's that print a list: real processes, well and badly behaved."""

import os
import sys
from pathlib import Path

import pytest

from crawler.discovery import command_process
from crawler.discovery.command_process import run_command
from crawler.discovery.source import SourceError, State

BRIEF = 0.5  # seconds, for programs that never end


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def running(mark: str) -> list[str]:
    """Return the commands of running processes that have a word in their command line."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and folder.name != str(os.getpid()):
            try:
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                zombie = "\nState:\tZ" in (folder / "status").read_text()
            except OSError:
                continue
            if mark in words and not zombie:
                found.append(words)
    return found


def test_the_output_and_the_exit_code_are_returned() -> None:
    assert run_command(python("print('one'); import sys; sys.exit(3)")) == (b"one\n", 3)


def test_no_shell_reads_the_arguments_and_there_is_no_input() -> None:
    code = "import sys; print(sys.argv[1:], repr(sys.stdin.read()))"
    assert run_command([*python(code), "$HOME; echo x", "*"]) == (b"['$HOME; echo x', '*'] ''\n", 0)


def test_secrets_of_the_environment_are_not_passed_on() -> None:
    environment = {"PATH": os.environ["PATH"], "MPARCHIVE_DATABASE_URL": "synthetic", "COOKIE": "synthetic"}
    output, _ = run_command(python("import os; print(dict(os.environ))"), environment)
    assert b"PATH" in output
    assert b"synthetic" not in output


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["no-such-program-here"], "there is no program “no-such-program-here”"),
        (["/etc/passwd"], "“/etc/passwd” could not be started: permission denied"),
    ],
)
def test_a_program_that_cannot_be_started_is_not_configured(command: list[str], words: str) -> None:
    with pytest.raises(SourceError) as raised:
        run_command(command)
    assert (raised.value.state, str(raised.value)) == (State.NOT_CONFIGURED, words)


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(600)",
        "import os, time; os.close(1); time.sleep(600)",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        "import os, time\nfor _ in range(20): os.fork() or time.sleep(600)\ntime.sleep(600)",
    ],
)
def test_a_program_that_does_not_end_is_killed_with_its_children(code: str) -> None:
    mark = "synthetic-hanging-program"
    with pytest.raises(SourceError) as raised:
        run_command([*python(code), mark], seconds=BRIEF)
    assert raised.value.state is State.UNREACHABLE
    assert running(mark) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_child_in_a_session_of_its_own_is_killed_too() -> None:
    mark = "synthetic-runaway-program"
    code = (
        "import os, time\nif not os.fork():\n    os.setsid()\n    os.fork() and os._exit(0)\n"
        "    time.sleep(600)\nprint('ready')"
    )
    assert run_command([*python(code), mark], seconds=BRIEF) == (b"ready\n", 0), (
        "though a child has its output"
    )
    assert running(mark) == []


def test_endless_output_is_ended_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_process, "MAX_OUTPUT", 1024 * 1024)
    mark = "synthetic-talkative-program"
    with pytest.raises(SourceError) as raised:
        run_command([*python("while True: print('x' * 10_000)"), mark])
    assert str(raised.value) == "the program printed over 1 MB and was stopped; none of it was used"
    assert running(mark) == []

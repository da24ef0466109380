"""Runs a program of the user's that prints a list of addresses, within bounds of time and output.

It runs without a shell, in a process group of its own, with no input and few variables of the environment, so
that it learns none of this program's secrets. When it has ended, or a bound is exceeded, everything that it
started is killed.
"""

import os
import secrets
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from crawler.discovery.source import SourceError, State

SECONDS = 60.0  # a tool that reads a local database takes one or two

MAX_OUTPUT = 8 * 1024 * 1024  # bytes: 20,000 posts with their titles

_INHERITED = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")

_MARK = "COMMAND_OF_MPARCHIVE"  # a variable by which processes are found that left the process group

_CHUNK = 64 * 1024  # bytes of one read

_AFTER_EXIT = 1.0  # seconds to read what the program has printed, while a child of it holds the pipe open

_KILL_ROUNDS = 20  # searches for processes that were forked while others were being killed

_PROCESSES = Path("/proc")  # of Linux; elsewhere only the process group is killed


def run_command(
    command: Sequence[str], environment: Mapping[str, str] = os.environ, seconds: float = SECONDS
) -> tuple[bytes, int]:
    """Return what a program prints on standard output, and its exit code, negative for a signal.

    Raises SourceError when it cannot be started, or exceeds a bound: then nothing of its output is used.
    """
    mark = secrets.token_hex(16)
    inherited = {name: environment[name] for name in _INHERITED if name in environment}
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own program, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # may quote secrets of the program's
            env=inherited | {_MARK: mark},
            start_new_session=True,
        )
    except FileNotFoundError:
        raise SourceError(State.NOT_CONFIGURED, "crawler.command.not_found", program=command[0]) from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        params = {"program": command[0], "reason": reason}
        raise SourceError(State.NOT_CONFIGURED, "crawler.command.not_started", **params) from None
    try:
        output = _read_output(process, process.stdout.fileno(), time.monotonic() + seconds)  # type: ignore[union-attr]
    finally:
        _kill(process, mark)
    if output is None:
        raise SourceError(State.UNREACHABLE, "crawler.command.timed_out", seconds=round(seconds))
    if len(output) > MAX_OUTPUT:
        raise SourceError(State.UNREACHABLE, "crawler.command.too_much", megabytes=MAX_OUTPUT // 2**20)
    return output, process.returncode


def _read_output(process: subprocess.Popen[bytes], descriptor: int, until: float) -> bytes | None:
    """Return what it prints until it ends, at most a chunk over MAX_OUTPUT; None when that lasts too long."""
    output = bytearray()
    while len(output) <= MAX_OUTPUT:
        if process.poll() is not None:
            until = min(until, time.monotonic() + _AFTER_EXIT)
        left = until - time.monotonic()
        if left <= 0:
            return bytes(output) if process.poll() is not None else None
        if not select.select([descriptor], [], [], min(left, 0.1))[0]:
            if process.poll() is not None:
                return bytes(output)
            continue
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            return bytes(output) if _has_ended(process, until) else None
        output += chunk
    return bytes(output)


def _has_ended(process: subprocess.Popen[bytes], until: float) -> bool:
    """Wait for the end of a program that has closed its output."""
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill the process group, and what has left it; collect the program's end."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for _ in range(_KILL_ROUNDS):
        found = _marked_processes(f"{_MARK}={mark}".encode())
        if not found:
            break
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


def _marked_processes(mark: bytes) -> list[int]:
    """Return the ids of running processes whose environment has the mark."""
    found = []
    for folder in _PROCESSES.iterdir() if _PROCESSES.is_dir() else ():
        if folder.name.isdecimal():
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:  # it has ended, or is another user's
                continue
            if mark in environment.split(b"\0"):
                found.append(int(folder.name))
    return found

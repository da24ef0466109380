"""Processes end with the one that started them, also when that was killed."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from archive.system.child_processes import ENVIRONMENT_VARIABLE, ParentWatch, lifeline

TIME = 30  # seconds
CHILD = f"""
import os, time
from functools import partial
from archive.system.child_processes import ENVIRONMENT_VARIABLE, ParentWatch
ParentWatch.from_environment(partial(os._exit, 7))
print(ENVIRONMENT_VARIABLE in os.environ, flush=True)
time.sleep({TIME})
"""
PARENT = """
import os, subprocess, sys, time
from archive.system.child_processes import ENVIRONMENT_VARIABLE, lifeline
with lifeline() as descriptor:
    environment = {**os.environ, ENVIRONMENT_VARIABLE: str(descriptor)}
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], env=environment, pass_fds=(descriptor,),
                             stdout=subprocess.PIPE)
    print(child.pid, child.stdout.readline().decode(), flush=True)
    time.sleep(30)
"""
POOL = """
import multiprocessing, os, time
from archive.system.child_processes import end_with_parent
def work(ready):
    end_with_parent()
    ready.send(os.getpid())
    time.sleep(30)
if __name__ == "__main__":
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("fork").Process(target=work, args=(theirs,)).start()
    print(ours.recv(), flush=True)
    time.sleep(30)
"""


def killed(script: str, *arguments: str) -> tuple[psutil.Process, str]:
    """Start a script that prints the number of its child, and kill it; the child, and what else it said."""
    parent = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    number, _, rest = parent.stdout.readline().strip().partition(" ")
    child = psutil.Process(int(number))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(TIME)
    parent.stdout.close()
    return child, rest


def test_a_child_ends_when_its_parent_is_killed_and_names_the_pipe_to_nobody_else() -> None:
    child, named = killed(PARENT, CHILD)
    _, alive = psutil.wait_procs([child], timeout=TIME)
    assert (alive, named) == ([], "False")


def test_a_process_of_a_pool_ends_when_its_parent_is_killed() -> None:
    child, _ = killed(POOL)
    _, alive = psutil.wait_procs([child], timeout=TIME)
    assert alive == []


def test_the_function_is_called_once_the_pipe_is_closed_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = threading.Event()
    with lifeline() as descriptor:
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(os.dup(descriptor)))
        assert ParentWatch.from_environment(ended.set)
        assert not ended.is_set()
    assert ended.wait(TIME)


def test_a_process_that_nobody_started_so_watches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    assert ParentWatch.from_environment(sys.exit) is None
    assert ParentWatch.from_multiprocessing(sys.exit) is None


_SOCKETS = """
from multiprocessing import util
from archive.system.child_processes import fork_server_context
context = fork_server_context()
print(util.get_temp_dir(), context.get_start_method())
"""


def test_the_fork_server_keeps_its_sockets_in_the_folder_of_its_process() -> None:
    ran = subprocess.run([sys.executable, "-c", _SOCKETS], capture_output=True, text=True, check=True)
    folder, method = ran.stdout.split()
    assert method == "forkserver"
    assert Path(folder).name.startswith("mparchive-process-")
    assert not Path(folder).exists(), "it is removed with the process"

"""A crawl as a fork of a process that has imported everything: it starts in a tenth of the time."""

import os
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.reduction import DupFd
from typing import Any

from archive.system.parent_watch import LIFELINE_VARIABLE
from crawler.process.protocol import START_METHOD_VARIABLE


def dup_for_child(descriptor: int) -> Any:
    """A descriptor in the form in which it can be given to `main`."""
    return DupFd(descriptor)


def _it_runs() -> None:
    """… which the standard library would start anew, as it is not a child of this one."""


def main(arguments: Sequence[str], environment: Mapping[str, str], output: Any, lifeline: Any) -> None:
    """Run Scrapy's command here, in a group of its own, with everything it says going to `output`."""
    os.setsid()
    descriptor = output.detach()
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.environ[LIFELINE_VARIABLE] = str(lifeline.detach())
    os.environ[START_METHOD_VARIABLE] = "forkserver"  # its workers come from the same process as it did …
    setattr(forkserver._forkserver, "ensure_running", _it_runs)  # noqa: B010 - no method of it is public

    from scrapy.cmdline import execute  # noqa: PLC0415 - only the fork runs it

    execute(["scrapy", *arguments])

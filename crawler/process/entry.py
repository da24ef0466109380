"""The process that crawls are forked from, and the first function of such a fork.

It has imported everything that a crawl needs, which takes 3.5 seconds of CPU.
"""

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from multiprocessing.reduction import DupFd
from typing import Any

from archive.system.parent_watch import ENVIRONMENT_VARIABLE
from crawler.process.protocol import PROGRESS_VARIABLE

_PRELOADED = "crawler.process.preload"

FORK_SERVER = multiprocessing.get_context("forkserver")

FORK_SERVER.set_forkserver_preload([_PRELOADED])


def import_before_forking(*modules: str) -> None:
    """Import these modules once rather than in each crawl; to be called before the first crawl.

    A crawl imports the main module of the process that starts it.
    """
    FORK_SERVER.set_forkserver_preload([_PRELOADED, *modules])


def dup_for_child(descriptor: int) -> Any:
    """Return a descriptor in the form in which `run_crawl_process` takes it."""
    return DupFd(descriptor)


def run_crawl_process(
    arguments: Sequence[str], environment: Mapping[str, str], output: Any, progress: Any, lifeline: Any
) -> None:
    """Run `scrapy` with these arguments in a process group of its own.

    Standard output and error go to `output`, events of crawler.process.protocol to `progress`.
    """
    os.setsid()
    descriptor = output.detach()
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.environ[ENVIRONMENT_VARIABLE] = str(lifeline.detach())
    os.environ[PROGRESS_VARIABLE] = str(progress.detach())

    from scrapy.cmdline import execute  # noqa: PLC0415 - only the crawl's own process runs it

    execute(["scrapy", *arguments])

"""A bound on the memory of one piece of work, for decoders that trust what a file says of itself."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATM = Path("/proc/self/statm")  # of Linux; elsewhere there is no bound of memory


@contextmanager
def memory_limit(further: int) -> Iterator[None]:
    """Let this process allocate about `further` bytes more; beyond that MemoryError is raised inside."""
    if not _STATM.exists():
        yield
        return
    used = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + further
    resource.setrlimit(
        resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

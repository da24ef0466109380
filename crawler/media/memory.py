"""A bound on what one piece of work may allocate, for decoders that trust what a file says of itself."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATM = Path("/proc/self/statm")  # Linux's; elsewhere only the bound of pixels holds


@contextmanager
def at_most(more: int) -> Iterator[None]:
    """Within it this process may allocate about so many bytes more; beyond that comes a MemoryError."""
    if not _STATM.exists():
        yield
        return
    used = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + more
    resource.setrlimit(
        resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

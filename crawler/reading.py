"""Read one capture within a bound of memory, in a process that may be killed when it takes too long."""

from archive.capture import Capture
from archive.reading import Reading, unreadable
from crawler.classify import classify
from crawler.media.memory import at_most

MAX_MEMORY = 1024**3  # bytes for reading one page; hostile ones have taken 0.5 GB, real ones take under 0.1
DEADLY = "the process that read it died"


def read_within_bounds(capture: Capture) -> Reading:
    """What a capture is; one whose reading takes more than MAX_MEMORY is unreadable."""
    try:
        with at_most(MAX_MEMORY):
            return classify(capture)
    except MemoryError:
        return unreadable(f"it takes more than {MAX_MEMORY // 1024**2} MB of memory")

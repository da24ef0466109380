"""Helper processes end with whoever started them, also when that is killed and closes nothing."""

import os
import signal
import threading
from multiprocessing import parent_process


def end_with_parent() -> None:
    """Called in a helper at its start. An interrupt is for the parent to decide about."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """Without this a helper of a parent killed with -9 would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

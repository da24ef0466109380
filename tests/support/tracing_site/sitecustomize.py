"""Record calls of functions of the program in every process that is started with this folder in PYTHONPATH.

Each process appends a line to TRACE_FILE when a function is called for the first time, and whenever the file
differs from that of the call before in its thread: process id, file, function, whether the file changed.
"""

import os
import sys
import threading
from types import FrameType
from typing import Any

PACKAGES = ("archive", "web", "crawler", "scheduler", "mparchive")
_OPTIMIZED = 1  # flag of functions; bodies of modules and classes lack it

_root = os.environ["TRACE_ROOT"]
_out = os.open(os.environ["TRACE_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_prefixes = tuple(f"{_root}/{package}/" for package in PACKAGES)
_seen: set[tuple[int, str, str]] = set()
_last: dict[tuple[int, int], str] = {}


def _record(frame: FrameType, event: str, _: Any) -> None:
    code = frame.f_code
    if event != "call" or not code.co_flags & _OPTIMIZED or code.co_name.startswith("<"):
        return
    if not code.co_filename.startswith(_prefixes):
        return
    process, file = os.getpid(), code.co_filename
    thread = (process, threading.get_ident())
    changed, key = _last.get(thread) != file, (process, file, code.co_qualname)
    _last[thread] = file
    if changed or key not in _seen:
        _seen.add(key)
        os.write(_out, f"{process}\t{file[len(_root) + 1 :]}\t{code.co_qualname}\t{changed:d}\n".encode())


sys.setprofile(_record)
threading.setprofile(_record)

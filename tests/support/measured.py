"""Measure the memory of a command: the peak of the largest of its processes.

It is started by a process of a few megabytes: a child's peak begins with the memory of its parent, and the
test process has hundreds.
"""

import re
import sys
from collections.abc import Sequence

_SCRIPT = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
sys.stderr.write(f"\\nmost memory: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss} kB\\n")
sys.exit(code)
"""


def measured(command: Sequence[object]) -> list[str]:
    """Return the command line that runs a command and prints its peak on standard error."""
    return [sys.executable, "-c", _SCRIPT, *map(str, command)]


def most_memory(said: str) -> int:
    """Return the peak in kB (1024 bytes) that a measured command printed."""
    return int(re.findall(r"^most memory: (\d+) kB$", said, re.MULTILINE)[-1])

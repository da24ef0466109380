"""A command that says at its end how much memory the largest of its processes had.

It runs within a process of a few megabytes: a child starts with the memory of whoever starts it on its
account, and whoever runs the tests has hundreds.
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
    """The command, to be run so that it says it on standard error."""
    return [sys.executable, "-c", _SCRIPT, *map(str, command)]


def most_memory(said: str) -> int:
    """The kB (1024 bytes) that a measured command said."""
    return int(re.findall(r"^most memory: (\d+) kB$", said, re.MULTILINE)[-1])

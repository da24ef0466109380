"""Starting processes as a user that is not root, where the tests are root's: Postgres refuses that one."""

import os
import shutil
import subprocess

# The user may read what root may, for Python itself may lie in root's folder, and write only its own.
NOBODY = 65534
AS_NOBODY = [
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
]  # fmt: skip


def becomes_nobody() -> bool:
    """Whether a process can be started so; only root can, and not in every container."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    return subprocess.run([*AS_NOBODY, "true"], capture_output=True, check=False).returncode == 0

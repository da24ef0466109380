"""Run a script of bin/, and write lock files for it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def script(name: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a script of bin/ in the environment of the tests."""
    command = [sys.executable, ROOT / "bin" / name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def lock_file(path: Path, *pins: str) -> Path:
    """Write a lock file with invented pins; `name==1.0 via a b` names what requires it."""
    lines = []
    for pin in pins:
        requirement, _, origins = pin.partition(" via ")
        lines += [f"{requirement} \\", f"    --hash=sha256:{'0' * 64}", "    # via", "    #   -c other.txt"]
        lines += [f"    #   {origin}" for origin in (origins or "mparchive_(pyproject.toml)").split()]
    path.write_text("\n".join(lines).replace("_(", " (") + "\n", encoding="utf-8")
    return path

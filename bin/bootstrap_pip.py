"""Install the pinned pip into a Python that has none: `python bin/bootstrap_pip.py LOCK`.

For people who are not root on a Debian without python3-venv. The wheel comes from the index that pip itself
would ask, and only the bytes whose hash the lock names are run.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import Request, urlopen

INDEX = os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
TIMEOUT = 60  # seconds
MAX_WHEEL = 10 * 1024 * 1024  # bytes; pip has about 2 MB


def pin(lock: Path) -> str:
    """Return the entry of pip in the lock file: its version and the hashes of its files."""
    entry = re.search(r"^pip==(?:.*\\\n)+.*", lock.read_text(encoding="utf-8"), re.M)
    if not entry:
        raise SystemExit(f"{lock} pins no pip")
    return entry[0]


def wheel(hashes: set[str]) -> tuple[str, bytes]:
    """Download the pinned wheel, check it, and return its file name and bytes."""
    page = f"{INDEX.rstrip('/')}/pip/"
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    with urlopen(Request(page, headers=accept), timeout=TIMEOUT) as answer:  # noqa: S310 - the user's own index
        files = json.load(answer)["files"]
    found = next(f for f in files if f["filename"].endswith(".whl") and f["hashes"].get("sha256") in hashes)
    with urlopen(urljoin(page, found["url"]), timeout=TIMEOUT) as answer:  # noqa: S310 - the same
        body = answer.read(MAX_WHEEL)
    if hashlib.sha256(body).hexdigest() not in hashes:
        raise SystemExit("the pip that came is not the pinned one")
    return found["filename"], body


def main() -> None:
    """Run pip from its wheel to install that wheel."""
    entry = pin(Path(sys.argv[1]))
    name, body = wheel(set(re.findall(r"sha256:([0-9a-f]{64})", entry)))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(body)
        (Path(folder) / "pip.txt").write_text(entry, encoding="utf-8")
        pip = [sys.executable, f"{folder}/{name}/pip", "install", "--quiet", "--require-hashes"]
        local = ["--no-index", "--find-links", folder]
        subprocess.run([*pip, *local, "--requirement", f"{folder}/pip.txt"], check=True)  # noqa: S603 - checked


if __name__ == "__main__":
    main()

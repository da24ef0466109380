"""Draw where a crawl's processor time goes: `python -m bench.flame [PAGES]`.

py-spy samples all Python processes of a crawl of made-up pages. Writes docs/reference/flame-graph.svg and a
part of docs/reference/performance.md. Postgres is not sampled.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from bench.posts import write_posts
from bench.report import REPORT, machine, today, write_part
from bench.ways import ROOT, crawl_of
from tests.standin import Standin

PAGES, WEIGHT = 300, 2_500_000  # bytes of script in a page: the size of real ones
RATE = 100  # samples a second
GRAPH = REPORT.with_name("flame-graph.svg")
_FILE = re.compile(r" \((?P<file>[^():]+)")
_IMPORTING = "importlib"
# A sample belongs to the innermost frame of our own code; the first path that it contains names the part.
PARTS = {
    "archive/storage/": "compress bodies, find the body that a delta is made from",
    "crawler/parse/": "parse pages",
    "crawler/worker/": "pass pages between processes",
    "archive/": "store captures, posts and versions",
    "crawler/": "requests, politeness, outcomes",
}
START, LIBRARIES = "import modules (start)", "Scrapy, Twisted and Python alone"


def main(arguments: Sequence[str]) -> None:
    """Sample a crawl twice, for the picture and for the table."""
    pages = int(arguments[0]) if arguments else PAGES
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        dump, drawn, samples = folder / "dump.json", folder / "drawn.svg", folder / "samples.txt"
        addresses = write_posts(dump, pages)
        with Standin(weight=WEIGHT, dump=dump) as standin:
            for form, output in (("flamegraph", drawn), ("raw", samples)):
                _sample(standin.origin, addresses, folder / form, form, output)
        GRAPH.write_text(without_folders(drawn.read_text(encoding="utf-8"), given), encoding="utf-8")
        found = shares(samples.read_text(encoding="utf-8").splitlines())
    write_part(_report(pages, found))


def _sample(origin: str, addresses: list[str], folder: Path, form: str, output: Path) -> None:
    """Run a crawl under py-spy, which leaves out processes that wait."""
    folder.mkdir()
    spider, environment = crawl_of(origin, addresses, folder)
    record = ["record", "--subprocesses", "--rate", str(RATE), "--format", form, "--output", str(output)]
    crawl = [sys.executable, "-m", "scrapy", *spider]
    with open_archive(ArchiveSettings(home=folder / "home")):  # a database server is there before a crawl
        subprocess.run(
            [Path(sys.executable).with_name("py-spy"), *record, "--", *crawl],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )


def without_folders(drawn: str, temporary: str) -> str:
    """Remove the folders of this machine from a picture."""
    for folder in (temporary, str(Path(sys.executable).parent), str(ROOT)):
        drawn = drawn.replace(f"{folder}/", "")
    return drawn


def shares(samples: Iterable[str]) -> dict[str, float]:
    """Return the share of each part in the samples, the largest first; a line is a stack and a number."""
    counts: Counter[str] = Counter()
    for line in samples:
        stack, _, number = line.rpartition(" ")
        counts[_part(stack.split(";"))] += int(number)
    return {part: count / counts.total() for part, count in counts.most_common()}


def _part(stack: Sequence[str]) -> str:
    files = [found["file"] for frame in stack if (found := _FILE.search(frame))]
    if any(_IMPORTING in file for file in files):
        return START
    own = next((file for file in reversed(files) if file.startswith(("archive/", "crawler/"))), "")
    return next((part for name, part in PARTS.items() if own.startswith(name)), LIBRARIES)


def _report(pages: int, found: dict[str, float]) -> str:
    rows = "\n".join(f"| {part} | {share:.0%} |" for part, share in found.items())
    return f"""## Where a crawl's processor time goes

Written by `python -m bench.flame` ({today()}). Machine: {machine()}.
One crawl of {pages} made-up pages of {WEIGHT / 1e6:.1f} MB, sampled {RATE} times a second in all its Python
processes; Postgres is not among them. A sample belongs to the innermost function of our own code.
[The flame graph](flame-graph.svg) has every function.

| | share |
|---|---|
{rows}
"""


if __name__ == "__main__":
    main(sys.argv[1:])

"""Measure the memory of a crawl that renders page after page: `python -m bench.browser_memory`.

Every process of the crawl counts: Scrapy, its worker, Playwright's driver, Chromium. Memory shared by
several of them is counted once (PSS where the system provides it).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.domain.outcomes import Kind
from bench.report import machine, today, write_part
from bench.ways import ROOT
from tests.standin import Standin
from tests.standin.account import Post, at
from tests.standin.post_page import render

WEIGHT = 2_500_000  # bytes of script in a page: the size of real ones
LIMIT = 1_000_000_000  # bytes, of all processes together
EVERY = 0.5  # seconds between two samples
TIME_A_PAGE = 20.0  # seconds; a page takes about one
ENDING = 30  # seconds within which the processes of an ended crawl are gone
ROWS = 12  # of the table
RENDERED_LOG = b'"how": "browser"'
MB = 1_000_000


@dataclass(frozen=True)
class Sample:
    """The memory at one moment, in bytes, by process, and the pages rendered until then."""

    pages: int
    parts: Counter[str]

    @property
    def total(self) -> int:
        """Return the memory of all processes, in bytes."""
        return sum(self.parts.values())


@dataclass
class Measured:
    """One crawl: its samples in order, its duration in seconds, its exit code and processes it left."""

    samples: list[Sample] = field(default_factory=list)
    seconds: float = 0.0
    exit_code: int = -1
    output: str = ""
    left: list[str] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """Return the peak, in bytes."""
        return max(sample.total for sample in self.samples)

    @property
    def pages(self) -> int:
        """Return the number of rendered pages."""
        return self.output.encode().count(RENDERED_LOG)


def write_pages(folder: Path, number: int, weight: int = WEIGHT) -> list[str]:
    """Save made-up posts whose text only a script renders, and return their addresses."""
    posts = [_post(place) for place in range(number)]
    for post in posts:
        (folder / f"{post.mid}.html").write_bytes(b"".join(render(post, weight)))
    return [post.url for post in posts]


def _post(place: int) -> Post:
    words = "\n".join(f"合成的第{line}段，第{place}篇，仅由脚本画出。" for line in range(40))
    return Post(
        f"audio-{place}", Kind.AUDIO, 2_660_000_000 + place, f"合成音频{place}", words, at("2025-11-12 19:00")
    )


def measure(addresses: list[str], folder: Path, environment: dict[str, str], *settings: str) -> Measured:
    """Crawl these addresses and sample every process of the crawl until it has ended."""
    listed, log, found = folder / "addresses.txt", folder / "crawl.log", Measured()
    listed.write_text("\n".join(addresses))
    command = [sys.executable, "-m", "scrapy", "crawl", "posts", "-a", f"urls={listed}", *settings]
    start = time.monotonic()
    with log.open("wb") as output:
        crawl = psutil.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        seen = _watch(crawl, log, found, start + TIME_A_PAGE * len(addresses))
    found.seconds = time.monotonic() - start
    found.exit_code, found.output = crawl.wait(), log.read_text(encoding="utf-8", errors="replace")
    _, alive = psutil.wait_procs(seen, timeout=ENDING)
    found.left = [_name(process) for process in alive]
    return found


def _watch(crawl: psutil.Popen, log: Path, found: Measured, until: float) -> set[psutil.Process]:
    """Sample until the crawl has ended, and return every process it ever had."""
    seen: set[psutil.Process] = set()
    while crawl.poll() is None:
        if time.monotonic() > until:
            crawl.kill()
        processes = _family(crawl)
        seen.update(processes)
        found.samples.append(_sample(processes, log))
        with suppress(psutil.TimeoutExpired):
            crawl.wait(EVERY)
    return seen


def _family(crawl: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return [crawl, *crawl.children(recursive=True)]
    return []


def _sample(processes: list[psutil.Process], log: Path) -> Sample:
    parts: Counter[str] = Counter()
    for process in processes:
        with suppress(psutil.Error):
            parts[_part(process)] += _memory(process)
    return Sample(log.read_bytes().count(RENDERED_LOG), parts)


def _part(process: psutil.Process) -> str:
    name = process.name().lower()
    if "chrom" in name or "headless" in name:
        return "Chromium"
    if name.startswith("node"):
        return "driver"
    return "Scrapy" if process.ppid() == os.getpid() else "worker"


def _memory(process: psutil.Process) -> int:
    """Return the PSS, or the unshared memory of a process whose pages the system does not show."""
    try:
        info = process.memory_full_info()
    except psutil.AccessDenied:
        plain = process.memory_info()
        return int(plain.rss - getattr(plain, "shared", 0))
    return int(getattr(info, "pss", 0) or info.uss)


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())[:120]}"
    return str(process.pid)


def main() -> None:
    """Measure, write the result into docs/reference/performance.md, and fail when it is over the limit."""
    pages = _options().pages
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as given:
        folder = Path(given)
        (folder / "pages").mkdir()
        addresses = write_pages(folder / "pages", pages)
        home = ArchiveSettings(home=folder / "home")
        with Standin(captures=folder / "pages") as standin, open_archive(home):
            environment = {
                "MPARCHIVE_HOME": str(folder / "home"),
                "MPARCHIVE_LOOPBACK": standin.origin,
                "MPARCHIVE_DOWNLOAD_DELAY": "0",
            }
            found = measure(addresses, folder, environment)
    write_part(_report(found, pages))
    sys.exit("\n".join(_wrong(found, pages)) or 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.browser_memory", description=__doc__)
    parser.add_argument("--pages", type=int, default=500)
    return parser.parse_args()


def _wrong(found: Measured, pages: int) -> Iterator[str]:
    if found.exit_code:
        yield f"the crawl ended with {found.exit_code}:\n{found.output[-4000:]}"
    if found.pages < pages:
        yield f"only {found.pages} of {pages} pages were rendered"
    if found.peak > LIMIT:
        yield f"{found.peak / MB:.0f} MB at the peak, over {LIMIT / MB:.0f}"
    if found.left:
        yield "processes left: " + ", ".join(found.left)


def _report(found: Measured, pages: int) -> str:
    return _TEXT.format(
        pages=pages,
        day=today(),
        machine=machine(),
        size=WEIGHT / MB,
        peak=found.peak / MB,
        seconds=found.seconds,
        left=len(found.left) or "none",
        rows="\n".join(_row(sample) for sample in _curve(found.samples, pages)),
    )


def _curve(samples: list[Sample], pages: int) -> Iterator[Sample]:
    """Return the largest sample of each range of pages."""
    span = max(1, -(-pages // ROWS))
    for begin in range(0, pages, span):
        within = [sample for sample in samples if begin < sample.pages <= begin + span]
        if within:
            yield max(within, key=lambda sample: sample.total)


def _row(sample: Sample) -> str:
    parts = " | ".join(
        f"{sample.parts[name] / MB:.0f}" for name in ("Scrapy", "worker", "driver", "Chromium")
    )
    return f"| {sample.pages} | {sample.total / MB:.0f} | {parts} |"


_TEXT = """## The browser's memory

Written by `python -m bench.browser_memory` ({day}) from what it ran; do not edit. Machine: {machine}.

{pages} made-up posts of {size:.1f} MB whose text only a script renders, one after another in Chromium,
which is restarted every 50 pages. Memory of all processes of the crawl, shared memory counted once,
sampled twice a second. Peak: {peak:.0f} MB; target: under 1000. It took {seconds:.0f} s. Processes left
afterwards: {left}.

| pages rendered | MB in total, peak | Scrapy | worker | driver | Chromium |
|---|---|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main()

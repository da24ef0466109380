"""`python -m bench`: measure, and write docs/reference/performance.md from what was measured."""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from bench.posts import write_posts
from bench.report import machine, today, write_part
from bench.steps import steps
from bench.ways import Way, bare_scrapy, full_crawl, old_script
from tests.standin import Standin

WEIGHT = 2_500_000  # bytes of script in a page: the size of real ones
ANSWER_TIME = 0.15  # seconds until a real server answers; on loopback it would be none
WAYS = {"bare Scrapy": bare_scrapy, "mparchive": full_crawl, "the old script": old_script}
SLOW = {"mparchive, responses after 150 ms": full_crawl, "the old script, responses after 150 ms": old_script}
RATIOS = {
    "mparchive to bare Scrapy": ("mparchive", "bare Scrapy", 0.7),
    "mparchive to the old script": ("mparchive", "the old script", None),
    "the same, responses after 150 ms": (*SLOW, 4.0),
}
Round = dict[str, float]


def main() -> None:
    """Measure in rounds, each variant once per round, and report medians of the ratios within a round."""
    options = _options()
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as given:
        dump = Path(given) / "dump.json"
        addresses = write_posts(dump, options.pages)
        with Standin(weight=WEIGHT, dump=dump) as standin:
            for number in range(options.rounds):
                rounds.append(_round(standin, addresses, Path(given) / str(number)))
                sys.stderr.write(f"round {number + 1}: {_line(rounds[-1])}\n")
            page, earlier = (_page(standin, address) for address in addresses[:2])
    write_part(_report(options, rounds, steps(page, earlier), len(page)))
    missed = [name for name, (_, _, floor) in RATIOS.items() if floor and _ratio(rounds, name) < floor]
    sys.exit(f"below the target: {', '.join(missed)}" if missed else 0)


def _page(standin: Standin, address: str) -> bytes:
    with urlopen(address.replace("http://mp.weixin.qq.com", standin.origin)) as answer:
        return bytes(answer.read())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pages", type=int, default=300, help="pages per variant and round")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def _round(standin: Standin, addresses: list[str], folder: Path) -> Round:
    folder.mkdir()
    found = _measured(WAYS, standin, addresses, folder / "fast")
    standin.fault("slow", seconds=ANSWER_TIME)
    found |= _measured(SLOW, standin, addresses, folder / "slow")
    standin.clear()
    return found


def _measured(ways: dict[str, Way], standin: Standin, addresses: list[str], folder: Path) -> Round:
    folder.mkdir()
    return {name: way(standin.origin, addresses, folder) for name, way in ways.items()}


def _line(found: Round) -> str:
    return ", ".join(f"{name} {rate:.1f} pages/s" for name, rate in found.items())


def _ratio(rounds: list[Round], name: str) -> float:
    ours, theirs, _ = RATIOS[name]
    return statistics.median(found[ours] / found[theirs] for found in rounds)


def _report(options: argparse.Namespace, rounds: list[Round], times: dict[str, float], size: int) -> str:
    rates = {name: statistics.median(found[name] for found in rounds) for name in WAYS | SLOW}
    ways = "\n".join(f"| {name} | {rate:.1f} |" for name, rate in rates.items())
    ratios = "\n".join(
        f"| {name} | {_ratio(rounds, name):.2f} | {f'at least {floor}' if floor else ''} |"
        for name, (_, _, floor) in RATIOS.items()
    )
    return _TEXT.format(
        pages=options.pages,
        rounds=options.rounds,
        size=size / 1e6,
        machine=machine(),
        day=today(),
        ways=ways,
        ratios=ratios,
        steps="\n".join(f"| {name} | {spent:.1f} |" for name, spent in times.items()),
    )


_TEXT = """# Performance

Written by `make bench` ({day}) from its measurements; do not edit. Machine: {machine}.

{pages} made-up pages of {size:.1f} MB, gzip-compressed, served by the stand-in on loopback, without delays,
in {rounds} rounds; each variant once per round. Rates depend on the machine and its load; the ratios,
each taken within one round, much less. The stand-in shares the two cores with the program measured.

| variant | pages per second (median) |
|---|---|
{ways}

| ratio | median | target |
|---|---|---|
{ratios}

*Bare Scrapy* fetches the same pages with the same concurrency and discards them. *mparchive* fetches,
classifies, parses and stores them in its embedded Postgres. *The old script* does what users' scripts
did: one request after another, regular expressions, one JSON file. On loopback a response takes no time;
the last ratio adds the 150 ms that a fast server takes, which sequential requests have to wait for.

Time spent on one page (milliseconds, median, one core):

| step | ms |
|---|---|
{steps}
"""


if __name__ == "__main__":
    main()

"""`mparchive discover`: try the sources of new posts now, and say what each says."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts
from archive.db.engine import open_archive
from archive.domain.records import SHANGHAI
from crawler.discovery.config import AccountConfig
from crawler.discovery.source import State
from mparchive.console import out, print_json, say, steps
from mparchive.crawl import Line
from mparchive.errors import CommandError, Exit
from scheduler.config import find_config, load_config
from scheduler.source_check import Discovered, SourceResult, Wish, discover

ELSEWHERE = "its sources there are left alone, those elsewhere are asked"


_FAILED = {"database": Exit.DATABASE, "usage": Exit.USAGE}


@dataclass(frozen=True)
class Tried:
    """One account's sources, tried."""

    account: AccountConfig
    discovered: Discovered

    @property
    def sources(self) -> Sequence[SourceResult]:
        """By name."""
        return sorted(self.discovered.sources, key=lambda one: one.source)


def discover_now(account: str | None, only: Sequence[str], whole: bool, as_json: bool) -> Exit:
    """Try the sources of one account, or of all that are configured; what is new is due from then on."""
    accounts = _chosen(load_config(find_config()).accounts, account)
    with open_archive() as engine:  # an embedded server serves the accounts' crawls one after the other
        tried = [try_sources(engine, one, only, whole) for one in accounts]
    if as_json:
        print_json([_as_dict(one) for one in tried])
    else:
        for one in tried:
            _print(one)
    return _exit([source for one in tried for source in one.sources])


def _chosen(accounts: Sequence[AccountConfig], wanted: str | None) -> list[AccountConfig]:
    if wanted is None:
        return list(accounts)
    found = [one for one in accounts if wanted in (one.biz, one.name)]
    if not found:
        known = ", ".join(one.name for one in accounts)
        raise CommandError(f"no account {wanted} in the configuration; it has {known}")
    return found


def try_sources(engine: Engine, account: AccountConfig, only: Sequence[str], whole: bool) -> Tried:
    """Ask these sources of an account, or all; raises CommandError when nothing could be asked.

    A challenge holds the line back; of one that is held only sources elsewhere than at WeChat are asked.
    """
    names = [name for given in only for name in given.split(",") if name]
    line = Line(engine, {})
    with line.turn(Hosts.PAGES) as mine, steps(None) as shown:
        if not mine:
            raise CommandError(f"no source of {account.name} was asked", Exit.NOTHING_FETCHED)
        held, done = line.is_held(ELSEWHERE), []

        def hear(source: SourceResult) -> None:
            done.append(source.source)
            shown.step(f"{account.name} {source.source} {source.state}", len(done))

        discovered = discover(Wish(account, names, whole, held), on_source=hear)
        if any(one.state == State.VERIFICATION for one in discovered.sources):
            line.settle(State.VERIFICATION)
    if held and not discovered.sources:
        raise CommandError(f"no source of {account.name} was asked: all are at WeChat", Exit.VERIFICATION)
    _check(discovered)
    return Tried(account, discovered)


def _check(discovered: Discovered) -> None:
    """Raise CommandError when the crawl itself could not work."""
    result = discovered.result
    if result.timed_out:
        say("the sources took too long; those that are missing below were not asked to the end")
    elif result.verdict in _FAILED or not discovered.sources:
        lines = [line for line in result.last_lines if line.strip()] or ["it said nothing"]
        last = next((line for line in reversed(lines) if "reason=" in line), lines[-1])
        wrong = Exit.USAGE if result.exit_code == Exit.USAGE else Exit.NOTHING_FETCHED  # of its settings
        raise CommandError(last.rpartition("reason=")[2], _FAILED.get(result.verdict, wrong))


def _exit(sources: Sequence[SourceResult]) -> Exit:
    good = sum(source.good for source in sources)
    if good == len(sources):
        return Exit.DONE
    if good:
        return Exit.PARTLY_FAILED
    challenged = any(source.state == State.VERIFICATION for source in sources)
    return Exit.VERIFICATION if challenged else Exit.NOTHING_FETCHED


def _as_dict(tried: Tried) -> dict[str, object]:
    sources = [asdict(one) | {"newest": _iso(one.newest)} for one in tried.sources]
    return {"account": tried.account.name, "biz": tried.account.biz, "sources": sources}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _print(tried: Tried) -> None:
    """A line a source, then what is to be said of each. Nothing is cut: --only takes the names."""
    rows = [("source", "state", "seen", "new", "newest"), *map(_row, tried.sources)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    out.print(tried.account.name, markup=False)
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        out.print("  ".join(cells).rstrip(), markup=False)
    for one in tried.sources:
        if words := "; ".join(filter(None, (one.detail, one.advice))):
            out.print(f"{one.source}: {words}", markup=False)


def _row(one: SourceResult) -> tuple[str, ...]:
    newest = f"{one.newest.astimezone(SHANGHAI):%Y-%m-%d %H:%M}" if one.newest else ""
    return one.source, one.state, str(one.seen), str(one.new), newest

"""`mparchive sources`: what each source of an account listed, and what the others would take."""

from collections.abc import Sequence

from archive.db.engine import open_archive, transaction
from archive.domain.messages import Message
from archive.domain.monitoring import with_remedy
from archive.reports.source_coverage import (
    PERIOD,
    AccountCoverage,
    SourceCoverage,
    delay_message,
    finds,
    needs,
    source_coverage,
)
from archive.system import clock
from mparchive.commands.discover import chosen_accounts
from mparchive.console import label, localized, out, print_json, translated
from mparchive.errors import Exit
from scheduler.config import find_config, load_config
from scheduler.source_check import configured_sources, unwatched_problem

_COLUMNS = ("source", "state", "seen", "first", "alone", "delay")


def print_sources(account: str | None, as_json: bool) -> Exit:
    """Print a table for each account that is configured, or for one. Raises CommandError, ConfigError."""
    accounts = chosen_accounts(load_config(find_config()).accounts, account)
    now, found = clock.now(), []
    with open_archive() as engine, transaction(engine) as session:
        for one in accounts:
            names = [source.name for source in configured_sources(session, one)]
            coverage = source_coverage(session, one.biz, now, names)
            found.append((coverage, one.name, unwatched_problem(session, one)))
    if as_json:
        print_json([coverage.as_dict() | {"account": name} for coverage, name, _ in found])
    else:
        for coverage, name, problem in found:
            _print(coverage, name, problem)
    return Exit.DONE


def _print(coverage: AccountCoverage, name: str, problem: Message | None) -> None:
    out.print(name, markup=False, style="bold")
    counts = {"n": coverage.posts, "days": PERIOD.days, "unlisted": coverage.unlisted}
    out.print(localized(Message("mparchive.sources.posts", counts)), markup=False)
    _print_table(coverage.sources)
    for one in coverage.sources:
        _print_sentence(one.name, one.finds)
    if coverage.missing:
        out.print(translated("mparchive.sources.not_configured"), markup=False)
    for kind in coverage.missing:
        both = Message("archive.source.finds_and_needs", {"finds": finds(kind), "needs": needs(kind)})
        _print_sentence(kind, both)
    if problem:
        out.print(localized(with_remedy(problem)), markup=False)


def _print_table(sources: Sequence[SourceCoverage]) -> None:
    headings = tuple(translated(f"mparchive.sources.heading.{name}") for name in _COLUMNS)
    rows = [headings, *map(_row, sources)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        out.print("  ".join(cells).rstrip(), markup=False)


def _row(one: SourceCoverage) -> tuple[str, ...]:
    state = label("mparchive.state.", one.state or "not_tried")
    delay = delay_message(one.delay)
    words = localized(delay) if delay else ""
    return one.name, state, str(one.seen), str(one.first), str(one.alone), words


def _print_sentence(name: str, sentence: Message) -> None:
    out.print(f"  {name}: {localized(sentence)}", markup=False)

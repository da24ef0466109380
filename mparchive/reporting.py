"""`mparchive status`: how much there is, and what waits."""

from dataclasses import asdict
from datetime import UTC, datetime

from rich.table import Table

from archive import queries
from archive.database import open_archive, transaction
from mparchive.console import out, print_json
from mparchive.exits import Exit
from mparchive.watching import tables_of, watching_status

_MEGABYTE = 1_000_000


def status(as_json: bool) -> Exit:
    """Print the state of the archive."""
    now = datetime.now(UTC)
    with open_archive() as engine, transaction(engine) as session:
        found, watching = queries.archive_status(session, now), watching_status(session, now)
    if as_json:
        print_json(asdict(found) | asdict(watching))
        return Exit.DONE
    out.print(_accounts(found))
    out.print(_numbers(found))
    for table in tables_of(watching):
        out.print(table)
    return Exit.DONE


def _accounts(found: queries.Status) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("account", "posts", "with page", "first", "last", "__biz"):
        table.add_column(heading)
    for one in found.accounts:
        numbers = (one["posts"], one["with_page"], one["first"], one["last"])
        table.add_row(one["name"], *(str(number) for number in numbers), one["biz"])
    return table


def _numbers(found: queries.Status) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(found.captures_by_outcome.items()))
    sizes = f"{found.body_bytes / _MEGABYTE:.1f} MB of pages in {found.stored_bytes / _MEGABYTE:.1f} MB"
    rows = {
        "posts": f"{found.posts} in {found.versions} versions",
        "captures": f"{found.captures} ({outcomes or 'none'}); {sizes}",
        "due": f"{found.due} now, {found.waiting} later, {found.given_up} given up",
        **{type_: _media(numbers) for type_, numbers in found.media.items()},
        "last run": _last_run(found),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _media(numbers: dict[str, int]) -> str:
    kept = f"{numbers['kept']} of {numbers['known']} kept ({numbers['bytes'] / _MEGABYTE:.1f} MB)"
    words = {"due": "due", "waiting": "later", "given_up": "given up"}
    left = [f"{numbers[name]} {word}" for name, word in words.items() if numbers[name]]
    return ", ".join([kept, *left])


def _last_run(found: queries.Status) -> str:
    if not found.last_runs:
        return "none yet"
    last = found.last_runs[0]
    return f"{last['command']} at {last['started_at']:%Y-%m-%d %H:%M}Z: {last['verdict'] or 'not finished'}"

"""`mparchive changes`: list which posts were new, edited, removed or available again."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import date
from itertools import islice
from typing import Any

from rich.text import Text

from archive.db.engine import open_archive, transaction
from archive.domain.messages import Message
from archive.domain.outcomes import ChangeKind
from archive.domain.records import SHANGHAI
from archive.reports.changes import ChangeFilter, PostChange, stream_changes
from archive.repository.accounts import check_account
from mparchive.console import label, localized, out, print_json_list, say
from mparchive.errors import Exit

_STYLES = {
    ChangeKind.NEW: "green",
    ChangeKind.EDITED: "yellow",
    ChangeKind.REMOVED: "red",
    ChangeKind.RESTORED: "cyan",
}


def list_changes(
    account: str | None,
    kinds: Sequence[ChangeKind],
    days: tuple[date | None, date | None],
    limit: int | None,
    as_json: bool,
) -> Exit:
    """Print at most `limit` changes, newest first, as they are read. Raises NotArchived."""
    with open_archive() as engine, transaction(engine) as session:
        check_account(session, account)
        with closing(stream_changes(session, ChangeFilter(account, frozenset(kinds), *days))) as every:
            changes = islice(every, limit)
            count = print_json_list(map(_as_json, changes)) if as_json else _print_lines(changes)
            has_more = next(every, None) is not None
    if not count:
        say(Message("mparchive.changes.none"))
    if has_more:
        say(Message("mparchive.changes.more", {"n": count}))
    return Exit.DONE


def _print_lines(changes: Iterator[PostChange]) -> int:
    """Print two lines for each change; its time is that of Beijing, and says so."""
    count = 0
    for change in changes:
        count += 1
        time = f"{change.at.astimezone(SHANGHAI):%Y-%m-%d %H:%M} +08:00"
        kind = label("archive.change_kind.", change.kind)
        title = " ".join(change.title.split())
        out.print(
            Text.assemble(
                time, "  ", (kind, _STYLES[change.kind]), "  ", (change.aid, "cyan"), "  ", (title, "bold")
            )
        )
        out.print(Text(f"    {change.account or change.biz}  {localized(change.description())}"))
    return count


def _as_json(change: PostChange) -> dict[str, Any]:
    """Return a change as JSON values; instants are UTC."""
    values = asdict(change)
    for name in ("at", "last_seen_at", "missing_since"):
        values[name] = values[name].isoformat() if values[name] else None
    return {**values, "reason": localized(change.reason) if change.reason else change.reason}

"""`mparchive audit`: what the archive lacks, each with its evidence and with what would fill it."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from rich.table import Table
from sqlalchemy import Engine

from archive.database import open_archive, transaction
from archive.digest import DIGEST
from archive.gaps import Gap, GapKind, find_gaps
from archive.gaps.whose import Named, accounts
from crawler.discovery.account import AccountConfig
from mparchive.console import out, print_json, shortened
from mparchive.exits import CommandError, Exit
from mparchive.filling import Filling
from mparchive.tally import Tally
from scheduler.config import VARIABLE, find_config, load_config
from scheduler.toml import ConfigError

SHOWN = 20  # lines of a kind, where --limit gives no other number
_KINDS = {
    GapKind.HOLE: "holes in pushes",
    GapKind.MENTIONED: "posts that are mentioned and not archived",
    GapKind.DIGEST: "titles that weekly digests list and no post has",
    GapKind.SILENT: "silent days",
    GapKind.NO_PAGE: "posts without their page",
    GapKind.NO_IMAGES: "posts without some of their images",
    GapKind.UNREAD: "pages kept and not read",
    GapKind.NOT_DRAWN: "posts whose text only a browser shows",
    GapKind.UNKNOWN: "answers that are not understood",
}
_JSON = ("kind", "biz", "account", "subject", "title", "what", "remedy", "fillable")


@dataclass(frozen=True)
class Asked:
    """What the command line asked for. Dates are in Asia/Shanghai, both included."""

    account: str | None = None
    since: date | None = None
    until: date | None = None
    fill: bool = False
    json: bool = False
    limit: int | None = None


def audit(asked: Asked) -> Exit:
    """Say what is lacking; with `fill` first ask for it, and say then what is left."""
    configured = _configured()
    tally, code = Tally(), Exit.DONE
    with open_archive() as engine:
        gaps = _find(engine, asked, configured)
        before = _counts(gaps)
        if asked.fill:
            again = partial(_find, engine, asked, configured)
            code = Filling(engine, configured, asked.limit, tally).fill(gaps, again)
            gaps = again()
    if asked.json:
        print_json(_as_json(gaps, before, tally, asked))
    else:
        _print(gaps, before, tally, asked)
    return code


def _configured() -> Mapping[str, AccountConfig]:
    """The accounts of the configuration by biz; an audit needs none, but a broken one is said."""
    try:
        path = find_config()
    except ConfigError:
        if os.environ.get(VARIABLE):
            raise
        return {}
    return {account.biz: account for account in load_config(path).accounts}


def _find(engine: Engine, asked: Asked, configured: Mapping[str, AccountConfig]) -> list[Gap]:
    now = datetime.now(UTC)
    with transaction(engine) as session:
        chosen = _chosen(accounts(session), asked.account)
        ids: list[int | None] = [one.id for one in chosen]
        if asked.account is None:
            ids.append(None)  # addresses that do not tell whose they are
        bizs = {one.id: one.biz for one in chosen}
        found: list[Gap] = []
        for number in ids:
            config = configured.get(bizs.get(number or 0, ""))
            found += find_gaps(
                session,
                number,
                now,
                since=asked.since,
                until=asked.until,
                digest_title=config.digest_title if config else DIGEST,
                has_sources=config is not None,
            )
    return found


def _chosen(known: Sequence[Named], wanted: str | None) -> Sequence[Named]:
    found = [one for one in known if wanted in (None, one.biz, one.name)]
    if wanted is not None and not found:
        names = ", ".join(one.name or one.biz for one in known) or "none"
        raise CommandError(f"no account {wanted} in the archive; it has {names}")
    return found


def _counts(gaps: Iterable[Gap]) -> dict[str, int]:
    counted = Counter(gap.kind for gap in gaps)
    return {str(kind): counted[kind] for kind in GapKind if counted[kind]}


def _as_json(gaps: Sequence[Gap], before: Mapping[str, int], tally: Tally, asked: Asked) -> dict[str, Any]:
    told = {"counts": _counts(gaps), "gaps": [_gap_as_json(gap) for gap in _limited(gaps, asked.limit)]}
    return told | ({"before": dict(before), "filled": tally.as_dict()} if asked.fill else {})


def _gap_as_json(gap: Gap) -> dict[str, Any]:
    return {name: getattr(gap, name) for name in _JSON} | {"day": gap.day.isoformat() if gap.day else None}


def _limited(gaps: Iterable[Gap], limit: int | None) -> list[Gap]:
    """At most so many of each kind and account."""
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for gap in gaps:
        seen[gap.kind, gap.biz] += 1
        if limit is None or seen[gap.kind, gap.biz] <= limit:
            kept.append(gap)
    return kept


def _print(gaps: Sequence[Gap], before: Mapping[str, int], tally: Tally, asked: Asked) -> None:
    """For people: numbers first, then the gaps of each kind."""
    if asked.fill:
        out.print(tally.table())
    if not gaps:
        out.print("no gaps are left" if before else "no gaps were found")
        return
    accounts_ = dict.fromkeys((gap.biz, gap.account) for gap in gaps)
    for biz, name in accounts_:
        _print_account([gap for gap in gaps if gap.biz == biz], name, asked.limit or SHOWN)


def _print_account(gaps: Sequence[Gap], name: str, limit: int) -> None:
    out.print(name or "addresses that do not tell their account", style="bold", markup=False)
    numbers = Table(box=None, pad_edge=False, show_header=False)
    for kind, count in _counts(gaps).items():
        numbers.add_row(str(count), _KINDS[GapKind(kind)])
    out.print(numbers)
    for kind in GapKind:
        if of_kind := [gap for gap in gaps if gap.kind == kind]:
            _print_kind(kind, of_kind, limit)


def _print_kind(kind: GapKind, gaps: Sequence[Gap], limit: int) -> None:
    """A line a gap and one for its evidence; a remedy that several share is said once."""
    out.print(f"\n{_KINDS[kind]}", style="bold", markup=False)
    shown, remedy = gaps[:limit], ""
    for gap in shown:
        title = gap.title if gap.title != gap.subject else ""
        out.print("  ".join(filter(None, (gap.subject, str(gap.day or ""), shortened(title)))), markup=False)
        out.print(f"    {gap.what}", markup=False)
        if gap.remedy != remedy:
            remedy = gap.remedy
            out.print(f"    {remedy}", markup=False)
    if len(gaps) > len(shown):
        out.print(f"and {len(gaps) - len(shown)} more; --limit {len(gaps)} shows all", markup=False)

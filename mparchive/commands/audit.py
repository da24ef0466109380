"""`mparchive audit --fill`: ask for what is lacking, politely, bounded, resumable."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from pydantic import ValidationError
from rich.table import Table
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.audit import find_gaps
from archive.audit.gap import Gap, GapKind
from archive.db.advisory_locks import run_lock
from archive.db.engine import open_archive, transaction
from archive.domain.addresses import parse_address
from archive.domain.captures import Sighting
from archive.domain.errors import AddressError
from archive.domain.weekly_digest import DIGEST
from archive.repository import frontier, runs
from archive.repository.accounts import Named, accounts
from crawler.discovery.config import MAX_SOURCES, AccountConfig
from crawler.discovery.source import State
from mparchive.commands.discover import try_sources
from mparchive.console import out, print_json, say, shortened
from mparchive.crawl import Line, fetch_due, fetch_missing_media
from mparchive.errors import CommandError, Exit
from mparchive.run_summary import Tally
from scheduler.config import VARIABLE, find_config, load_config
from scheduler.config_errors import ConfigError

MOST_FILLED = 1000  # posts asked for at a time: under two hours at 6 s each; the same command goes on

BATCH = 500  # rows a statement

_BY_LOOKING = (GapKind.HOLE, GapKind.DIGEST, GapKind.SILENT)

_PAGES_STAY = (GapKind.NO_IMAGES,)  # their posts are archived; only their images are asked for


@dataclass(frozen=True)
class Filling:
    """What bounds it, and where what came of it is counted. `limit`: at most so many of each kind."""

    engine: Engine
    configured: Mapping[str, AccountConfig]
    limit: int | None
    tally: Tally

    def fill(self, gaps: Sequence[Gap], again: Callable[[], Sequence[Gap]]) -> Exit:
        """Ask the sources for posts of no known address, then fetch what has one; the worst that came of it.

        `again` finds the gaps anew: what a source lists becomes something to fetch.
        """
        if not any(gap.fillable for gap in gaps):
            return Exit.DONE
        if Line(self.engine, {}).is_held():
            return Exit.VERIFICATION
        looking = _accounts(gaps, self.configured)
        looked = self._look(looking)
        if looked is Exit.VERIFICATION:
            return looked
        wanted = _chosen_to_fill(again() if looking else gaps, self.limit)
        return (self._fetch(wanted) if wanted else Exit.DONE) or looked

    def _look(self, accounts: Iterable[AccountConfig]) -> Exit:
        """Have the sources of accounts list all they have; a challenge ends it."""
        code = Exit.DONE
        for account in accounts:
            states = _asked(self.engine, account)
            if State.VERIFICATION in states:
                return Exit.VERIFICATION
            if not all(state.good for state in states):
                code = Exit.PARTLY_FAILED
        return code

    def _fetch(self, wanted: Sequence[Gap]) -> Exit:
        now = datetime.now(UTC)
        with transaction(self.engine) as session:
            run_id = runs.start_run(session, "audit", {"fill": len(wanted)}, now)
            pages = _assigned(session, run_id, [gap for gap in wanted if gap.kind not in _PAGES_STAY], now)
            _assigned(session, run_id, [gap for gap in wanted if gap.kind in _PAGES_STAY], now)
            due = frontier.make_due(session, pages, now, again=True)
        line = Line(self.engine, {})
        with run_lock(self.engine, run_id):
            # the crawl of pages is also who reads what was kept and not read
            code = fetch_due(line, run_id, len(due), self.tally)
            if code not in (Exit.DATABASE, Exit.USAGE, Exit.VERIFICATION):
                code = fetch_missing_media(line, run_id, self.tally) or code
        return code


def _asked(engine: Engine, account: AccountConfig) -> list[State]:
    """Try the sources of an account; what is not good is said."""
    try:
        sources = try_sources(engine, account, (), whole=True).sources
    except CommandError as error:
        if error.code is Exit.DATABASE:
            raise
        say(f"{account.name}: {error}")
        return [State.UNREACHABLE]
    for one in sources:
        if not one.good:
            words = ": ".join(filter(None, (one.source, one.state, one.detail, one.advice)))
            say(f"{account.name}: {words}")
    return [State(one.state) for one in sources]


def _accounts(gaps: Iterable[Gap], configured: Mapping[str, AccountConfig]) -> list[AccountConfig]:
    """The accounts to look for posts of, with the albums that are to be listed.

    One that is not configured has the albums its posts are in: anybody may list those.
    """
    albums: dict[tuple[str, str], list[str]] = {}
    for gap in gaps:
        if gap.fillable and (gap.album or gap.kind in _BY_LOOKING):
            albums.setdefault((gap.biz, gap.account), []).extend([gap.album] if gap.album else [])
    found = []
    for (biz, name), more in albums.items():
        known = configured.get(biz) or _unconfigured(biz, name)
        if known:
            listed = tuple(dict.fromkeys((*known.albums, *more)))[:MAX_SOURCES]
            found.append(known.model_copy(update={"albums": listed}))
    return found


def _unconfigured(biz: str, name: str) -> AccountConfig | None:
    try:
        return AccountConfig(biz=biz, name=name, follow_albums=True)
    except ValidationError:
        say(f"{biz[:80]} is no __biz of an account; nothing is looked for there")
        return None


def _chosen_to_fill(gaps: Sequence[Gap], limit: int | None) -> list[Gap]:
    """What has an address to ask or a page to read, at most `limit` of a kind and MOST_FILLED in all."""
    chosen: list[Gap] = []
    for kind in GapKind:
        of_kind = [gap for gap in gaps if gap.kind is kind and gap.fillable and _is_asked(gap)]
        chosen += of_kind[:limit]
    if len(chosen) > MOST_FILLED:
        say(f"{MOST_FILLED} of {len(chosen)} are asked for now; the same command goes on")
    return chosen[:MOST_FILLED]


def _is_asked(gap: Gap) -> bool:
    return gap.address_id is not None or bool(gap.url) or gap.kind is GapKind.UNREAD


def _assigned(session: Session, run_id: int, gaps: Sequence[Gap], now: datetime) -> list[int]:
    """The ids of the addresses of these, which the run now has; what had none gets one."""
    sightings = []
    for gap in gaps:
        with suppress(AddressError):  # a link that is no post's address was one before this version
            if gap.url:
                sightings.append(Sighting(parse_address(gap.url), "audit", now, expected_biz=gap.biz))
    noted = frontier.record_sightings(session, run_id, sightings, now) if sightings else []
    known = sorted({gap.address_id for gap in gaps if gap.address_id is not None})
    for start in range(0, len(known), BATCH):
        frontier.assign(session, run_id, known[start : start + BATCH])
    return sorted({*known, *(one.address_id for one in noted)})


SHOWN = 20  # lines of a kind, where --limit gives no other number

_KINDS = {
    GapKind.HOLE: "holes in pushes",
    GapKind.MENTIONED: "posts that are mentioned and not archived",
    GapKind.DIGEST: "titles that weekly digests list and no post has",
    GapKind.SILENT: "silent days",
    GapKind.NO_PAGE: "posts without their page",
    GapKind.NO_IMAGES: "posts without some of their images",
    GapKind.UNREAD: "pages kept and not read",
    GapKind.NOT_RENDERED: "posts whose text only a browser shows",
    GapKind.UNKNOWN: "answers that are not understood",
}


@dataclass(frozen=True)
class AuditOptions:
    """What the command line asked for. Dates are in Asia/Shanghai, both included."""

    account: str | None = None
    since: date | None = None
    until: date | None = None
    fill: bool = False
    json: bool = False
    limit: int | None = None


def audit(asked: AuditOptions) -> Exit:
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


def _find(engine: Engine, asked: AuditOptions, configured: Mapping[str, AccountConfig]) -> list[Gap]:
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


def _as_json(
    gaps: Sequence[Gap], before: Mapping[str, int], tally: Tally, asked: AuditOptions
) -> dict[str, Any]:
    told = {"counts": _counts(gaps), "gaps": [gap.as_dict() for gap in _limited(gaps, asked.limit)]}
    return told | ({"before": dict(before), "filled": tally.as_dict()} if asked.fill else {})


def _limited(gaps: Iterable[Gap], limit: int | None) -> list[Gap]:
    """At most so many of each kind and account."""
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for gap in gaps:
        seen[gap.kind, gap.biz] += 1
        if limit is None or seen[gap.kind, gap.biz] <= limit:
            kept.append(gap)
    return kept


def _print(gaps: Sequence[Gap], before: Mapping[str, int], tally: Tally, asked: AuditOptions) -> None:
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
    shown, last_remedy = gaps[:limit], None
    for gap in shown:
        title = gap.title if gap.title != gap.subject else ""
        out.print(
            "  ".join(filter(None, (str(gap.subject), str(gap.day or ""), shortened(title)))), markup=False
        )
        out.print(f"    {gap.what}", markup=False)
        if gap.remedy != last_remedy:
            last_remedy = gap.remedy
            out.print(f"    {gap.remedy}", markup=False)
    if len(gaps) > len(shown):
        out.print(f"and {len(gaps) - len(shown)} more; --limit {len(gaps)} shows all", markup=False)

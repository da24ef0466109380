"""`mparchive audit`: list what the archive lacks, and with --fill fetch it first."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
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
from archive.domain.captures import SightingData
from archive.domain.errors import AddressError
from archive.domain.messages import Message
from archive.domain.weekly_digest import DIGEST_TITLE
from archive.repository import frontier, runs
from archive.repository.accounts import AccountRef, account_names, accounts
from archive.repository.removals import ForgottenPost, forgotten_posts
from archive.system import clock
from crawler.discovery.config import MAX_SOURCES, AccountConfig
from crawler.discovery.source import State
from mparchive.commands.discover import check_account
from mparchive.console import label, localized, out, print_json, say, shortened, translated
from mparchive.crawl import RunSummary, fetch_due, fetch_missing_media, is_blocked, open_egress
from mparchive.errors import CommandError, Exit
from scheduler.config import VARIABLE, ConfigError, find_config, load_config

MAX_FILLED = 1000  # posts fetched by one command, in under two hours at 6 s each; the next one continues

BATCH = 500  # rows in one statement

_FOUND_BY_LISTING = (GapKind.HOLE, GapKind.DIGEST, GapKind.SILENT)

_MEDIA_ONLY = (GapKind.NO_IMAGES,)  # the pages of these posts are archived; only images are fetched


@dataclass(frozen=True)
class GapFiller:
    """Fetches what is missing, at most `limit` gaps of each kind, and counts the results in `summary`."""

    engine: Engine
    configured: Mapping[str, AccountConfig]
    limit: int | None
    summary: RunSummary

    def fill(self, gaps: Sequence[Gap], again: Callable[[], Sequence[Gap]]) -> Exit:
        """List the sources for posts without a known address, fetch those with one; return the worse code.

        `again` finds the gaps again: what a source lists can then be fetched. Raises CommandError.
        """
        if not any(gap.fillable for gap in gaps):
            return Exit.DONE
        if is_blocked(open_egress(self.engine)):
            return Exit.VERIFICATION
        accounts_to_list = _accounts_to_list(gaps, self.configured)
        list_code = self._list_sources(accounts_to_list)
        if list_code is Exit.VERIFICATION:
            return list_code
        wanted = _gaps_to_fetch(again() if accounts_to_list else gaps, self.limit)
        return (self._fetch(wanted) if wanted else Exit.DONE) or list_code

    def _list_sources(self, accounts: Iterable[AccountConfig]) -> Exit:
        """List all posts of the sources of accounts; a demand for verification ends it."""
        code = Exit.DONE
        for account in accounts:
            states = _list_account(self.engine, account)
            if State.VERIFICATION in states:
                return Exit.VERIFICATION
            if not all(state.good for state in states):
                code = Exit.PARTLY_FAILED
        return code

    def _fetch(self, wanted: Sequence[Gap]) -> Exit:
        now = clock.now()
        with transaction(self.engine) as session:
            run_id = runs.start_run(session, "audit", {"fill": len(wanted)}, now)
            pages = _claim_addresses(
                session, run_id, [gap for gap in wanted if gap.kind not in _MEDIA_ONLY], now
            )
            _claim_addresses(session, run_id, [gap for gap in wanted if gap.kind in _MEDIA_ONLY], now)
            due = frontier.make_due(session, pages, now, again=True)
        egress = open_egress(self.engine)
        with run_lock(self.engine, run_id):
            # the crawl of pages also parses stored pages that are not parsed yet
            code = fetch_due(egress, run_id, due, self.summary)
            if code not in (Exit.DATABASE, Exit.USAGE, Exit.VERIFICATION):
                code = fetch_missing_media(egress, run_id, self.summary) or code
        return code


def _list_account(engine: Engine, account: AccountConfig) -> list[State]:
    """List the sources of an account, and report those that failed."""
    try:
        sources = check_account(engine, account, (), whole=True).sources
    except CommandError as error:
        if error.code is Exit.DATABASE:
            raise
        say(f"{account.name}: {localized(error.message)}")
        return [State.UNREACHABLE]
    for one in sources:
        if not one.good:
            state = label("mparchive.state.", one.state)
            parts = (account.name, one.source, state, localized(one.detail), localized(one.advice))
            say(": ".join(filter(None, parts)))
    return [State(one.state) for one in sources]


def _accounts_to_list(gaps: Iterable[Gap], configured: Mapping[str, AccountConfig]) -> list[AccountConfig]:
    """Return the accounts whose sources may list missing posts, with the albums to list.

    An account that is not configured has the albums of its posts, which are public.
    """
    albums: dict[tuple[str, str], list[str]] = {}
    for gap in gaps:
        if gap.fillable and (gap.album or gap.kind in _FOUND_BY_LISTING):
            albums.setdefault((gap.biz, gap.account), []).extend([gap.album] if gap.album else [])
    found = []
    for (biz, name), more in albums.items():
        known = configured.get(biz) or _unconfigured_account(biz, name)
        if known:
            listed = tuple(dict.fromkeys((*known.albums, *more)))[:MAX_SOURCES]
            found.append(known.model_copy(update={"albums": listed}))
    return found


def _unconfigured_account(biz: str, name: str) -> AccountConfig | None:
    try:
        return AccountConfig(biz=biz, name=name, follow_albums=True)
    except ValidationError:
        say(Message("mparchive.audit.invalid_biz", {"biz": biz[:80]}))
        return None


def _gaps_to_fetch(gaps: Sequence[Gap], limit: int | None) -> list[Gap]:
    """Return the gaps with an address or an unparsed page, `limit` of each kind and MAX_FILLED in all."""
    chosen: list[Gap] = []
    for kind in GapKind:
        of_kind = [gap for gap in gaps if gap.kind is kind and gap.fillable and _is_fetchable(gap)]
        chosen += of_kind[:limit]
    if len(chosen) > MAX_FILLED:
        say(Message("mparchive.audit.some_filled", {"n": len(chosen), "max": MAX_FILLED}))
    return chosen[:MAX_FILLED]


def _is_fetchable(gap: Gap) -> bool:
    return gap.address_id is not None or bool(gap.url) or gap.kind is GapKind.UNREAD


def _claim_addresses(session: Session, run_id: int, gaps: Sequence[Gap], now: datetime) -> list[int]:
    """Claim the addresses of these gaps for the run, recording new ones; return their ids."""
    sightings = []
    for gap in gaps:
        with suppress(AddressError):  # earlier versions took some links for post addresses
            if gap.url:
                sightings.append(SightingData(parse_address(gap.url), "audit", now, expected_biz=gap.biz))
    recorded = frontier.record_sightings(session, run_id, sightings, now) if sightings else []
    known = sorted({gap.address_id for gap in gaps if gap.address_id is not None})
    for start in range(0, len(known), BATCH):
        frontier.claim_addresses(session, run_id, known[start : start + BATCH], now)
    return sorted({*known, *(one.address_id for one in recorded)})


DEFAULT_SHOWN = 20  # gaps of a kind, where --limit gives no other number

_KIND = "mparchive.audit.kind."  # with the name of a GapKind: its words


@dataclass(frozen=True)
class AuditOptions:
    """The options of the command. Dates are in Asia/Shanghai, both included."""

    account: str | None = None
    since: date | None = None
    until: date | None = None
    fill: bool = False
    json: bool = False
    limit: int | None = None


def audit(options: AuditOptions) -> Exit:
    """Print what is missing; with `fill` fetch it first.

    Raises CommandError, ConfigError, DatabaseUnavailable.
    """
    configured = _configured()
    summary, code = RunSummary(), Exit.DONE
    with open_archive() as engine:
        gaps = _find_all_gaps(engine, options, configured)
        forgotten = _find_forgotten(engine, options)
        before = _counts(gaps)
        if options.fill:
            again = partial(_find_all_gaps, engine, options, configured)
            code = GapFiller(engine, configured, options.limit, summary).fill(gaps, again)
            gaps = again()
        with transaction(engine) as session:
            is_empty = not account_names(session)
    if options.json:
        listed = [asdict(post) for post in forgotten]
        whole = _as_json(gaps, before, summary, options)
        print_json({"empty": is_empty, **whole, "forgotten": listed})
    else:
        _print(gaps, before, summary, options, is_empty=is_empty)
        _print_forgotten(forgotten, options.limit or DEFAULT_SHOWN)
    return code


def _configured() -> Mapping[str, AccountConfig]:
    """Return the configured accounts by biz, none without a configuration. Raises ConfigError."""
    try:
        path = find_config()
    except ConfigError:
        if os.environ.get(VARIABLE):
            raise
        return {}
    return {account.biz: account for account in load_config(path).accounts}


def _find_all_gaps(
    engine: Engine, options: AuditOptions, configured: Mapping[str, AccountConfig]
) -> list[Gap]:
    now = datetime.now(UTC)
    with transaction(engine) as session:
        chosen = _select_accounts(accounts(session), options.account)
        ids: list[int | None] = [one.id for one in chosen]
        if options.account is None:
            ids.append(None)  # addresses of unknown accounts
        bizs = {one.id: one.biz for one in chosen}
        found: list[Gap] = []
        for number in ids:
            config = configured.get(bizs.get(number or 0, ""))
            found += find_gaps(
                session,
                number,
                now,
                since=options.since,
                until=options.until,
                digest_title=config.digest_title if config else DIGEST_TITLE,
                has_sources=config is not None,
            )
    return found


def _find_forgotten(engine: Engine, options: AuditOptions) -> list[ForgottenPost]:
    with transaction(engine) as session:
        chosen = _select_accounts(accounts(session), options.account)
        found = [post for one in chosen for post in forgotten_posts(session, one.biz)]
    first, last = options.since or date.min, options.until or date.max
    return [post for post in found if first <= post.published_on <= last]


def _print_forgotten(forgotten: Sequence[ForgottenPost], limit: int) -> None:
    if not forgotten:
        return
    out.print(translated("mparchive.audit.forgotten", n=len(forgotten)), style="bold", markup=False)
    for post in forgotten[:limit]:
        parts = (post.aid, str(post.published_on), shortened(" ".join(post.title.split())), post.reason)
        out.print("  ".join(filter(None, parts)), markup=False)
    if len(forgotten) > limit:
        more = translated("mparchive.audit.more", n=len(forgotten) - limit, total=len(forgotten))
        out.print(more, markup=False)


def _select_accounts(known: Sequence[AccountRef], wanted: str | None) -> Sequence[AccountRef]:
    found = [one for one in known if wanted in (None, one.biz, one.name)]
    if wanted is not None and not found:
        code = "mparchive.audit.no_such_account" if known else "mparchive.audit.no_accounts"
        names = [one.name or one.biz for one in known]
        raise CommandError(Message(code, {"account": wanted, "accounts": names}))
    return found


def _counts(gaps: Iterable[Gap]) -> dict[str, int]:
    counted = Counter(gap.kind for gap in gaps)
    return {str(kind): counted[kind] for kind in GapKind if counted[kind]}


def _as_json(
    gaps: Sequence[Gap], before: Mapping[str, int], summary: RunSummary, options: AuditOptions
) -> dict[str, Any]:
    result = {"counts": _counts(gaps), "gaps": [gap.as_dict() for gap in _limited(gaps, options.limit)]}
    return result | ({"before": dict(before), "filled": summary.as_dict()} if options.fill else {})


def _limited(gaps: Iterable[Gap], limit: int | None) -> list[Gap]:
    """Return at most `limit` gaps of each kind and account."""
    seen: Counter[tuple[str, str]] = Counter()
    limited = []
    for gap in gaps:
        seen[gap.kind, gap.biz] += 1
        if limit is None or seen[gap.kind, gap.biz] <= limit:
            limited.append(gap)
    return limited


def _print(
    gaps: Sequence[Gap],
    before: Mapping[str, int],
    summary: RunSummary,
    options: AuditOptions,
    *,
    is_empty: bool,
) -> None:
    """Print the counts, then the gaps of each kind. An archive without posts has none, and says so."""
    if options.fill:
        out.print(summary.table())
    if is_empty:
        out.print(translated("mparchive.status.empty"))
    elif not gaps:
        out.print(translated("mparchive.audit.none_left" if before else "mparchive.audit.none_found"))
    found_accounts = dict.fromkeys((gap.biz, gap.account) for gap in gaps)
    for biz, name in found_accounts:
        _print_account([gap for gap in gaps if gap.biz == biz], name, options.limit or DEFAULT_SHOWN)


def _print_account(gaps: Sequence[Gap], name: str, limit: int) -> None:
    out.print(name or translated("mparchive.audit.unknown_account"), style="bold", markup=False)
    numbers = Table(box=None, pad_edge=False, show_header=False)
    for kind, count in _counts(gaps).items():
        numbers.add_row(str(count), label(_KIND, kind))
    out.print(numbers)
    for kind in GapKind:
        if of_kind := [gap for gap in gaps if gap.kind == kind]:
            _print_kind(kind, of_kind, limit)


def _print_kind(kind: GapKind, gaps: Sequence[Gap], limit: int) -> None:
    """Print a line for each gap and one for its evidence; a remedy that several share is printed once."""
    out.print(f"\n{label(_KIND, kind)}", style="bold", markup=False)
    shown, remedy = gaps[:limit], None
    for gap in shown:
        title = gap.title if gap.title != gap.subject else ""
        parts = (localized(gap.subject), str(gap.day or ""), shortened(" ".join(title.split())))
        out.print("  ".join(filter(None, parts)), markup=False)
        out.print(f"    {localized(gap.what)}", markup=False)
        if gap.remedy != remedy:
            remedy = gap.remedy
            out.print(f"    {localized(remedy)}", markup=False)
    if len(gaps) > len(shown):
        left_out = len(gaps) - len(shown)
        out.print(translated("mparchive.audit.more", n=left_out, total=len(gaps)), markup=False)

"""`mparchive discover`: check the sources of new posts now, and say what each of them lists."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts
from archive.db.engine import open_archive, transaction
from archive.domain.messages import Message
from archive.domain.monitoring import with_remedy
from archive.domain.records import SHANGHAI
from archive.system.catalogues import process_language
from crawler.discovery.config import AccountConfig
from crawler.discovery.source import State
from crawler.process.entry import SourceChecked
from mparchive.console import label, localized, out, print_json, say, steps, translated
from mparchive.crawl import is_blocked, open_egress, wait_for_turn
from mparchive.errors import CommandError, Exit
from scheduler.config import find_config, load_config
from scheduler.source_check import CheckedSources, CheckRequest, check_sources, unwatched_problem

_FAILED = {"database": Exit.DATABASE, "usage": Exit.USAGE}


@dataclass(frozen=True)
class CheckedAccount:
    """One account and its sources, checked."""

    account: AccountConfig
    checked: CheckedSources
    unwatched: Message | None = None  # that no configured source lists its new posts

    @property
    def sources(self) -> Sequence[SourceChecked]:
        """Return the sources by name."""
        return sorted(self.checked.sources, key=lambda one: one.source)


def discover_now(account: str | None, only: Sequence[str], whole: bool, as_json: bool) -> Exit:
    """Check the sources of one account, or of all that are configured; new posts are due from then on."""
    accounts = chosen_accounts(load_config(find_config()).accounts, account)
    with open_archive() as engine:  # an embedded server serves the accounts' crawls one after the other
        checked = [check_account(engine, one, only, whole) for one in accounts]
    if as_json:
        print_json([_as_dict(one) for one in checked])
    else:
        for one in checked:
            _print(one)
    return _exit_code([source for one in checked for source in one.sources])


def chosen_accounts(accounts: Sequence[AccountConfig], wanted: str | None) -> list[AccountConfig]:
    """Return the account of this biz or name, or all. Raises CommandError where it is not configured."""
    if wanted is None:
        return list(accounts)
    matching = [one for one in accounts if wanted in (one.biz, one.name)]
    if not matching:
        known = [one.name for one in accounts]
        raise CommandError(translated("mparchive.discover.no_such_account", account=wanted, known=known))
    return matching


def check_account(engine: Engine, account: AccountConfig, only: Sequence[str], whole: bool) -> CheckedAccount:
    """Check these sources of an account, or all; while the egress is blocked, only those not at WeChat.

    Raises CommandError when nothing could be checked.
    """
    names = [name for given in only for name in given.split(",") if name]
    egress = open_egress(engine)
    with wait_for_turn(egress, Hosts.PAGES) as mine, steps(None) as progress:
        if not mine:
            words = translated("mparchive.discover.nothing_asked", account=account.name)
            raise CommandError(words, Exit.NOTHING_FETCHED)
        blocked, done = is_blocked(egress, "mparchive.discover.only_elsewhere"), []

        def show(source: SourceChecked) -> None:
            done.append(source.source)
            progress.step(f"{account.name} {source.source} {source.state}", len(done))

        request = CheckRequest(account, names, whole, blocked)
        checked = check_sources(egress, request, on_source=show)
        challenged = any(one.state == State.VERIFICATION for one in checked.sources)
        egress.record_outcome(State.VERIFICATION if challenged else "")
    if blocked and not checked.sources:
        words = translated("mparchive.discover.all_at_wechat", account=account.name)
        raise CommandError(words, Exit.VERIFICATION)
    _check_result(checked)
    with transaction(engine) as session:
        return CheckedAccount(account, checked, unwatched_problem(session, account))


def _check_result(checked: CheckedSources) -> None:
    """Raise CommandError when the crawl itself could not work."""
    result = checked.result
    if result.timed_out:
        say(translated("mparchive.discover.timed_out"))
    elif result.verdict in _FAILED or not checked.sources:
        code = Exit.USAGE if result.exit_code == Exit.USAGE else Exit.NOTHING_FETCHED  # wrong settings
        words = result.error.text(process_language())
        raise CommandError(words, _FAILED.get(result.verdict, code))


def _exit_code(sources: Sequence[SourceChecked]) -> Exit:
    good = sum(source.good for source in sources)
    if good == len(sources):
        return Exit.DONE
    if good:
        return Exit.PARTLY_FAILED
    challenged = any(source.state == State.VERIFICATION for source in sources)
    return Exit.VERIFICATION if challenged else Exit.NOTHING_FETCHED


def _as_dict(checked: CheckedAccount) -> dict[str, object]:
    """Return the result for programs: words in English, whatever the language of the terminal."""
    sources = [
        {**asdict(one), "detail": str(Message.load(one.detail)), "advice": str(Message.load(one.advice))}
        for one in checked.sources
    ]
    named = {"account": checked.account.name, "biz": checked.account.biz, "watched": not checked.unwatched}
    problem = str(with_remedy(checked.unwatched)) if checked.unwatched else ""
    return named | {"not_watched": problem, "sources": sources}


def _print(checked: CheckedAccount) -> None:
    """Print a line for each source, then details and advice. Names are not cut: --only takes them."""
    headings = tuple(
        translated(f"mparchive.discover.heading.{name}")
        for name in ("source", "state", "seen", "new", "newest")
    )
    rows = [headings, *map(_row, checked.sources)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    out.print(checked.account.name, markup=False)
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        out.print("  ".join(cells).rstrip(), markup=False)
    for one in checked.sources:
        if words := "; ".join(filter(None, (localized(one.detail), localized(one.advice)))):
            out.print(f"{one.source}: {words}", markup=False)
    if checked.unwatched:
        out.print(localized(with_remedy(checked.unwatched)), markup=False)


def _row(one: SourceChecked) -> tuple[str, ...]:
    moment = datetime.fromisoformat(one.newest).astimezone(SHANGHAI) if one.newest else None
    newest = f"{moment:%Y-%m-%d %H:%M}" if moment else ""
    return one.source, label("mparchive.state.", one.state), str(one.seen), str(one.new), newest

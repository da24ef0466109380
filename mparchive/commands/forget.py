"""`mparchive forget`: remove posts, an account or what a run brought in, and record it in the hash chains."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.models import Account, Post
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import parse_address
from archive.domain.errors import AddressError
from archive.domain.messages import Message
from archive.repository import frontier, post_queries, runs
from archive.repository.accounts import accounts_named
from archive.repository.forget import ForgetRequest, forget, remove_files, unfinished
from archive.repository.posts import archived_posts
from archive.repository.removals import (
    RemovalScope,
    listed_posts_of,
    scope_of_account,
    scope_of_posts,
    scope_of_runs,
)
from archive.storage.media_files import MediaFolder
from archive.system import clock
from crawler.parse import PARSER_VERSION
from crawler.parse.page import classify
from mparchive.console import facts_table, label, out, print_json, say, shortened, translated
from mparchive.errors import CommandError, Exit

SHOWN_POSTS = 20  # of those to be removed; the table has the number of all

RECENT_RUNS = 10  # named where nothing was said about what to forget


@dataclass(frozen=True)
class ForgetOptions:
    """The options of the command: exactly one of the first three is given."""

    posts: tuple[str, ...] = ()
    runs: tuple[int, ...] = ()
    account: str | None = None
    reason: str = ""
    confirmed: bool = False
    json: bool = False


def forget_posts(options: ForgetOptions) -> Exit:
    """Print what would be removed, ask, remove it, and record it.

    Raises CommandError where there is nothing to remove, or nobody to ask.
    """
    if bool(options.posts) + bool(options.runs) + (options.account is not None) != 1:
        raise CommandError(Message("mparchive.forget.one_of", {"runs": _recent_runs()}))
    if "" in (*options.posts, options.account):
        raise CommandError(Message("mparchive.forget.empty"))
    with open_archive() as engine:
        _finish_earlier(engine)
        with transaction(engine) as session:
            request = _request(session, options)
            scope = request.find_scope(session)
            if scope.is_empty:
                raise CommandError(Message("mparchive.forget.nothing", {"n": len(scope.kept)}))
            _print_plan(session, scope, options)
        if not _is_confirmed(options):
            say(Message("mparchive.forget.not_confirmed"))
            return Exit.DONE
        now = clock.now()
        run_id, removed = forget(engine, request, classify, PARSER_VERSION, now)
        remove_files(engine, MediaFolder(ArchiveSettings()), run_id, clock.now())
    _report(run_id, removed, options)
    return Exit.DONE


def _recent_runs() -> list[str]:
    """Return the last imports, each with its number, for a sentence about what could be forgotten."""
    with open_archive() as engine, transaction(engine) as session:
        return [
            f"{run.id} ({run.command}, {run.started_at:%Y-%m-%d %H:%M}Z)"
            for run in runs.recent_runs(session, "backfill", RECENT_RUNS)
        ]


def _finish_earlier(engine: Engine) -> None:
    """Remove the media files that a killed `forget` left behind."""
    for run_id in unfinished(engine):
        remove_files(engine, MediaFolder(ArchiveSettings()), run_id, clock.now())


def _request(session: Session, options: ForgetOptions) -> ForgetRequest:
    if options.runs:
        _check_runs(session, options.runs)
        find = partial(scope_of_runs, run_ids=options.runs)
        return ForgetRequest(find, {"runs": list(options.runs)}, options.reason)
    if options.account is not None:
        account = _account(session, options.account)
        find_all = partial(scope_of_account, account_id=account.id, biz=account.biz)
        return ForgetRequest(find_all, {"account": account.biz}, options.reason, account.id)
    posts, addresses = _resolve(session, options.posts)
    find_posts = partial(scope_of_posts, post_ids=posts, address_ids=addresses)
    return ForgetRequest(find_posts, {"given": list(options.posts)}, options.reason)


def _check_runs(session: Session, run_ids: Sequence[int]) -> None:
    """Raise CommandError for a run that there is not, or that has not ended."""
    known = runs.known_runs(session, run_ids)
    for run_id in run_ids:
        if run_id not in known:
            raise CommandError(Message("mparchive.forget.no_such_run", {"run": run_id}))
    if running := runs.running(session, run_ids):
        raise CommandError(Message("mparchive.forget.still_running", {"run": running[0]}))


def _account(session: Session, named: str) -> Account:
    """Return the account of a biz or a name, today's or an earlier one. Raises CommandError."""
    found = accounts_named(session, named)
    if not found:
        raise CommandError(Message("archive.account.missing", {"account": named}))
    if len(found) > 1:
        params = {"account": named, "bizs": [one.biz for one in found]}
        raise CommandError(Message("mparchive.forget.several_accounts", params))
    return found[0]


def _resolve(session: Session, given: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the ids of the posts of aids and addresses, and of addresses without a post."""
    posts: list[int] = []
    addresses: list[int] = []
    for one in given:
        found = _posts_of(session, one)
        posts += [post.id for post in found]
        if not found:
            addresses.append(_address_of(session, one))
    return posts, addresses


def _posts_of(session: Session, given: str) -> list[Post]:
    """Return the post of an aid or an address, none where there is none. Raises CommandError for several."""
    found = post_queries.find_posts(session, given)
    if len(found) > 1:
        params = {"aid": given, "accounts": [post.account_name for post in found]}
        raise CommandError(Message("mparchive.forget.several_posts", params))
    if found:
        return found
    with suppress(AddressError):
        address = parse_address(given)
        for biz, aid in archived_posts(session, [address.key]).values():
            return post_queries.find_posts(session, aid, biz)
        if address.aid:
            return post_queries.find_posts(session, address.aid, address.biz)
    return []


def _address_of(session: Session, given: str) -> int:
    """Return the id of an address without a post. Raises CommandError."""
    with suppress(AddressError):
        key = parse_address(given).key
        for address_id in frontier.address_ids(session, [key]):
            return address_id
    raise CommandError(Message("mparchive.forget.no_such_post", {"given": given}))


def _print_plan(session: Session, scope: RemovalScope, options: ForgetOptions) -> None:
    """Print what would be removed; with --json only the result is printed."""
    if options.json:
        return
    out.print(translated("mparchive.forget.plan"), style="bold")
    out.print(_table(scope))
    for aid, day, title in listed_posts_of(session, scope, SHOWN_POSTS):
        out.print(f"  {aid}  {day}  {shortened(' '.join(title.split()))}")
    if len(scope.posts) > SHOWN_POSTS:
        out.print(f"  … {len(scope.posts) - SHOWN_POSTS}")
    if scope.kept:
        out.print(translated("mparchive.forget.kept", n=len(scope.kept)))


def _table(scope: RemovalScope) -> Any:
    counts = {name: count for name, count in scope.counts().items() if name != "kept"}
    return facts_table({label("mparchive.forget.count.", name): str(n) for name, n in counts.items()})


def _is_confirmed(options: ForgetOptions) -> bool:
    """Ask whether to remove. Raises CommandError where there is no terminal to ask on."""
    if options.confirmed:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(Message("mparchive.forget.cannot_ask"))
    sys.stdout.flush()
    sys.stderr.write(f"{translated('mparchive.forget.ask')} ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是")


def _report(run_id: int, scope: RemovalScope, options: ForgetOptions) -> None:
    if options.json:
        print_json({"run": run_id, "removed": scope.counts()})
        return
    say(Message("mparchive.forget.done", {"n": len(scope.posts), "run": run_id}))

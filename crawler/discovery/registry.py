"""The sources of an account, by its configuration; secrets are read here, at the last moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from os import stat_result
from pathlib import Path

from archive.system.files import FileUnusable, read_small
from crawler.discovery.config import PLACEHOLDER, AccountConfig, SecretMissing, filled
from crawler.discovery.feed_process import read_apart
from crawler.discovery.source import Source
from crawler.discovery.sources.address_list import AddressList
from crawler.discovery.sources.album import Album
from crawler.discovery.sources.archived_links import Neighbourhood, Neighbours
from crawler.discovery.sources.backend import Login, LoginError, OwnBackend, read_login
from crawler.discovery.sources.feed import Feed
from crawler.discovery.sources.official_api import Official

MAX_FOLLOWED = 50  # albums met in posts; the most used ones

MAX_LIST_BYTES = 16 * 1024 * 1024


def sources_of(account: AccountConfig, around: Neighbourhood | None = None) -> list[Source]:
    """All sources of an account; `around`, what its posts lead to, adds the albums that are followed.

    What is missing for a source (a file, a variable) is that source's own state, and raises nothing.
    """
    around = around or Neighbourhood()
    albums = albums_of(account, around)
    sources: list[Source] = [Album(account.biz, album) for album in albums]
    sources += [_feed(address) for address in dict.fromkeys(account.feeds)]
    if account.own_backend:
        sources.append(OwnBackend(account.biz, *_login(account)))
    if account.official:
        told = _told(account.official.read_secret)
        sources.append(Official(account.official.appid, told.text, told.problem))
    if account.addresses_file:
        told = _told(lambda: _list(Path(account.addresses_file or "")))
        sources.append(AddressList(told.text, told.problem))
    sources.append(Neighbours(around, albums))
    return sources


def albums_of(account: AccountConfig, around: Neighbourhood) -> Sequence[str]:
    """The ids of the albums to list: those configured, and those followed."""
    followed = around.albums[:MAX_FOLLOWED] if account.follow_albums else ()
    return list(dict.fromkeys((*account.albums, *followed)))


def given_at(account: AccountConfig) -> dict[str, datetime]:
    """By source, when the file with its login, secret or list was last put in place; those that have one."""
    backend, official = account.own_backend, account.official
    files = {
        OwnBackend.name: backend.credentials_file if backend else None,
        Official.name: official.secret_file if official else None,
        AddressList.name: account.addresses_file,
    }
    return {name: at for name, path in files.items() if (at := _put_at(path)) is not None}


@dataclass(frozen=True)
class _Told:
    text: str = ""
    problem: str = ""


def _told(read: Callable[[], str]) -> _Told:
    try:
        return _Told(text=read())
    except SecretMissing as missing:
        return _Told(problem=str(missing))


def _feed(address: str) -> Feed:
    try:
        whole, secret = filled(address)
    except SecretMissing as missing:
        return Feed(PLACEHOLDER.sub("x", address), named=address, problem=str(missing))
    return Feed(whole, named=address, secret=secret, read=read_apart)


def _login(account: AccountConfig) -> tuple[Login | None, str]:
    kept = account.own_backend
    assert kept is not None  # noqa: S101 - the caller has looked
    told = _told(kept.read_secret)
    if told.problem:
        return None, told.problem
    try:
        return read_login(told.text, _written_at(kept.credentials_file)), ""
    except LoginError as error:
        return None, str(error)


def _written_at(path: Path | None) -> datetime | None:
    """When its content was written, wherever that was."""
    found = _stat(path)
    return datetime.fromtimestamp(found.st_mtime, UTC) if found else None


def _put_at(path: Path | None) -> datetime | None:
    """When its content or its name last changed here, which no copying program pretends otherwise."""
    found = _stat(path)
    return datetime.fromtimestamp(found.st_ctime, UTC) if found else None


def _stat(path: Path | None) -> stat_result | None:
    try:
        return path.stat() if path else None
    except OSError:
        return None


def _list(path: Path) -> str:
    try:
        content = read_small(path, MAX_LIST_BYTES, "split it")
    except FileUnusable as error:
        raise SecretMissing(str(error)) from None
    return content.decode("utf-8-sig", "replace")

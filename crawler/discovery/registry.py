"""Builds the sources of an account from its configuration, and reads their secrets at that moment."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from os import stat_result
from pathlib import Path

from archive.db.settings import ArchiveSettings
from crawler.discovery.command_process import run_command
from crawler.discovery.config import (
    PLACEHOLDER,
    AccountConfig,
    OfficialConfig,
    OwnBackendConfig,
    SecretMissing,
    WeReadAgentConfig,
    WeReadConfig,
    fill_placeholders,
    read_address_file,
)
from crawler.discovery.feed_process import read_feed
from crawler.discovery.source import Source
from crawler.discovery.sources.address_list import AddressList, CommandList
from crawler.discovery.sources.album import Album
from crawler.discovery.sources.archived_links import ArchivedLinks, Neighbourhood
from crawler.discovery.sources.backend import LoginError, OwnBackend, read_login
from crawler.discovery.sources.feed import FeedSource
from crawler.discovery.sources.official_api import Official
from crawler.discovery.sources.weread import WeRead
from crawler.discovery.sources.weread_agent import WeReadAgent
from crawler.discovery.weread_login import WeReadLogin

MAX_FOLLOWED = 10  # albums of posts that are listed as well, the most used ones; each costs a request a check

MAX_LIST_BYTES = 16 * 1024 * 1024


def sources_of(account: AccountConfig, archived: Neighbourhood | None = None) -> list[Source]:
    """Return all sources of an account; `archived` adds the albums of its posts, where these are followed.

    A file or variable that is missing makes its source NOT_CONFIGURED, and raises nothing.
    """
    archived = archived or Neighbourhood()
    albums = albums_of(account, archived)
    sources: list[Source] = [Album(account.biz, album) for album in albums]
    sources += [_feed(address) for address in dict.fromkeys(account.feeds)]
    if account.own_backend:
        sources.append(_own_backend(account.biz, account.own_backend))
    if account.official:
        sources.append(_official(account.official))
    if account.weread:
        sources.append(_weread(account.biz, account.weread))
    if account.weread_agent:
        sources.append(_weread_agent(account.biz, account.weread_agent))
    if account.addresses_file:
        sources.append(_address_list(account.addresses_file))
    if account.command:
        sources.append(CommandList(partial(run_command, account.command)))
    sources.append(ArchivedLinks(archived, albums))
    return sources


def albums_of(account: AccountConfig, archived: Neighbourhood) -> Sequence[str]:
    """Return the ids of the albums to list: those configured, then those followed."""
    followed = archived.albums[:MAX_FOLLOWED] if account.follow_albums else ()
    return list(dict.fromkeys((*account.albums, *followed)))


def given_at(account: AccountConfig) -> dict[str, datetime]:
    """Return for each source that has a file (login, secret or list) when that was last replaced, in UTC.

    That is the time of the last change of content or name here, which copying programs do not set back.
    """
    backend, official, agent = account.own_backend, account.official, account.weread_agent
    files = {
        OwnBackend.name: backend.credentials_file if backend else None,
        Official.name: official.secret_file if official else None,
        WeRead.name: login_of(account.weread).cookies_file if account.weread else None,
        WeReadAgent.name: agent.key_file if agent else None,
        AddressList.name: account.addresses_file,
    }
    found = {name: _stat(path) for name, path in files.items()}
    return {name: datetime.fromtimestamp(stat.st_ctime, UTC) for name, stat in found.items() if stat}


def _feed(address: str) -> FeedSource:
    try:
        filled, secret = fill_placeholders(address)
    except SecretMissing as missing:
        return FeedSource(PLACEHOLDER.sub("x", address), named=address, problem=missing.message)
    return FeedSource(filled, named=address, secret=secret, read=read_feed)


def _own_backend(biz: str, config: OwnBackendConfig) -> OwnBackend:
    stat = _stat(config.credentials_file)
    written_at = datetime.fromtimestamp(stat.st_mtime, UTC) if stat else None
    try:
        return OwnBackend(biz, read_login(config.read_secret(), written_at))
    except (SecretMissing, LoginError) as error:
        return OwnBackend(biz, None, error.message)


def _official(config: OfficialConfig) -> Official:
    try:
        return Official(config.appid, config.read_secret())
    except SecretMissing as missing:
        return Official(config.appid, "", missing.message)


def login_of(config: WeReadConfig) -> WeReadLogin:
    """Return the login to WeRead that a configuration names; it need not exist yet."""
    return WeReadLogin(ArchiveSettings().home, config.login, config.looks_a_day)


def _weread(biz: str, config: WeReadConfig) -> WeRead:
    login = login_of(config)
    try:
        login.cookies()
    except SecretMissing as missing:
        return WeRead(biz, login, missing.message)
    return WeRead(biz, login)


def _weread_agent(biz: str, config: WeReadAgentConfig) -> WeReadAgent:
    try:
        return WeReadAgent(biz, config.read_secret(), config.skill_version)
    except SecretMissing as missing:
        return WeReadAgent(biz, "", config.skill_version, missing.message)


def _address_list(path: Path) -> AddressList:
    try:
        return AddressList(read_address_file(path, MAX_LIST_BYTES))
    except SecretMissing as missing:
        return AddressList(b"", missing.message)


def _stat(path: Path | None) -> stat_result | None:
    try:
        return path.stat() if path else None
    except OSError:
        return None

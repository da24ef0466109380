"""The source `neighbours`: posts that archived ones link to, and titles that the weekly digests list."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archive.domain.messages import Message
from archive.domain.monitoring import NEIGHBOURS
from archive.domain.weekly_digest import Title, Titles, WeeklyDigest
from crawler.discovery.source import Discovery, ListedPost, SourceFindings, State

MAX_MISSING = 200  # titles that are reported; a digest has twenty

MAX_TITLES = 3  # of them in the warning

MAX_ALBUMS = 10  # that are offered


@dataclass(frozen=True, slots=True)
class LinkedPost:
    """A post that archived ones link to and whose address is not known yet. `posts`: how many link to it."""

    url: str
    title: str
    posts: int


@dataclass(frozen=True)
class Neighbourhood:
    """What the archived posts of an account link to. `albums`: ids of their albums, the most used first."""

    linked: tuple[LinkedPost, ...] = ()
    digests: tuple[WeeklyDigest, ...] = ()
    titles: tuple[Title, ...] = ()
    albums: tuple[str, ...] = ()


class ArchivedLinks:
    """Sends no request: everything is in the archive. `albums`: the ids of the albums that are listed."""

    name = NEIGHBOURS
    host = ""

    def __init__(self, archived: Neighbourhood, albums: Collection[str] = ()):
        self._archived = archived
        self._unlisted = [album for album in archived.albums if album not in albums]

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List the addresses that are not known yet, and the titles that are not archived."""
        yield from ()
        posts = tuple(
            ListedPost(linked.url, linked.title, listing={"links": linked.posts})
            for linked in self._archived.linked
        )
        missing = self._missing()
        return SourceFindings(
            State.OK if posts or missing else State.UNCHANGED,
            self._detail(),
            posts,
            memory={"missing": missing} if missing else {},
            warnings=_warnings([one["title"] for one in missing]),
        )

    def _detail(self) -> Message | None:
        if not self._archived.titles:
            return Message("crawler.neighbours.nothing_archived")
        if not self._unlisted:
            return None
        return Message("crawler.neighbours.unlisted_albums", {"albums": self._unlisted[:MAX_ALBUMS]})

    def _missing(self) -> list[dict[str, str]]:
        archived = Titles(self._archived.titles)
        missing = [
            {"digest": digest.aid, "title": title}
            for digest in self._archived.digests
            for title in archived.missing(digest)
        ]
        return missing[:MAX_MISSING]


def _warnings(titles: list[str]) -> tuple[Message, ...]:
    if not titles:
        return ()
    shown, more = titles[:MAX_TITLES], len(titles) - MAX_TITLES
    if more <= 0:
        return (Message("crawler.neighbours.missing", {"titles": shown}),)
    return (Message("crawler.neighbours.missing_and_more", {"titles": shown, "n": more}),)

"""The source `neighbours`: what the archived posts of an account lead to, and the weekly digest lists."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archive.domain.weekly_digest import Title, Titles, WeeklyDigest
from crawler.discovery.source import Discovery, Found, Seen, State

MAX_MISSING = 200  # titles that are reported; a digest has twenty

SHOWN = 3  # of them in words

OFFERED = 10  # albums that are named


@dataclass(frozen=True, slots=True)
class Linked:
    """A post that archived ones link to, and of which no address is known yet."""

    url: str
    title: str
    posts: int


@dataclass(frozen=True)
class Neighbourhood:
    """What the archive knows around an account's posts. `albums` are ids, met in posts, most used first."""

    linked: tuple[Linked, ...] = ()
    digests: tuple[WeeklyDigest, ...] = ()
    titles: tuple[Title, ...] = ()
    albums: tuple[str, ...] = ()


class Neighbours:
    """Asks nobody: everything is in the archive already. `albums`: the ids of those that are listed."""

    name = "neighbours"
    host = ""

    def __init__(self, around: Neighbourhood, albums: Collection[str] = ()):
        self._around = around
        self._offered = [album for album in around.albums if album not in albums]

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """Addresses in known posts that are not known themselves; titles of digests that are not archived."""
        yield from ()
        seen = tuple(
            Seen(linked.url, linked.title, listing={"links": linked.posts}) for linked in self._around.linked
        )
        missing = self._missing()
        kept = {"missing": missing} if missing else {}
        detail = self._detail()
        state = State.OK if seen or missing else State.UNCHANGED
        return Found(state, detail, seen, memory=kept, warnings=_warnings(missing))

    def _detail(self) -> str:
        if not self._around.titles:
            return "no post of the account is archived yet"
        if not self._offered:
            return ""
        shown = ", ".join(self._offered[:OFFERED])
        return f"its posts are in albums that are not listed: {shown} (see albums, follow_albums)"

    def _missing(self) -> list[dict[str, str]]:
        held = Titles(self._around.titles)
        found = [
            {"digest": digest.aid, "title": title}
            for digest in self._around.digests
            for title in held.missing(digest)
        ]
        return found[:MAX_MISSING]


def _warnings(missing: list[dict[str, str]]) -> tuple[str, ...]:
    if not missing:
        return ()
    shown = "; ".join(one["title"] for one in missing[:SHOWN])
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return (f"the account's digests list posts that are not archived: {shown}{more}.",)

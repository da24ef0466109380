"""The weekly digest: which titles it lists, and which of them the archive does not hold. Pure."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice

from archive.domain import entities

DIGEST = "一周要闻"  # in the title of the posts that list an account's week

SHORTEST = 6  # characters that count in a title; what is shorter proves nothing

LOOKED_BACK = timedelta(days=60)  # a digest lists its own week, sometimes what it had left out before

LOOKED_AHEAD = timedelta(days=3)

MAX_LISTED = 500  # titles of one digest that are looked at, each against all posts; real ones list under 50

_PARTS = re.compile(r"[\r\n]+")

_NUMBERED = re.compile(r"\s*\d{1,2}[\s.、．]+(\S.*)")

_BULLET = re.compile(r"^\s*[·•▪■●◆]\s*(\S.*)")

_BETWEEN = re.compile(r"[·•▪■●◆]")


@dataclass(frozen=True, slots=True)
class Title:
    """A post of the archive by its title. `published_on` is a date in Asia/Shanghai."""

    title: str
    published_on: date


@dataclass(frozen=True, slots=True)
class WeeklyDigest:
    """A post that lists the account's week; its text as the archive holds it."""

    aid: str
    title: str
    published_on: date
    text: str


def titles_in(text: str) -> list[str]:
    """The titles a digest lists, each once, in order.

    Each stands as a heading of its own with a number before it; only a digest without such headings is read
    by its overview, where several titles may run together in a line.
    """
    lines = [entities.unescape(line) for line in _PARTS.split(text)]
    numbered = [found[1] for line in lines if (found := _NUMBERED.match(line))]
    return _once(numbered or [title for line in lines for title in _bulleted(line)])


def _bulleted(line: str) -> list[str]:
    found = _BULLET.match(line)
    return _BETWEEN.split(found[1]) if found else []


def _once(titles: Iterable[str]) -> list[str]:
    found: dict[str, str] = {}
    for title in islice(titles, MAX_LISTED):
        key = normalised(title)
        if len(key) >= SHORTEST:
            found.setdefault(key, " ".join(title.split()))
    return list(found.values())


def normalised(title: str) -> str:
    """A title by its letters and digits alone: posts and digests differ in spaces, dashes and quotes."""
    text = unicodedata.normalize("NFKC", entities.unescape(title)).casefold()
    return "".join(character for character in text if character.isalnum())


class Titles:
    """The titles of an account's posts, to hold digests against; `anytime`: of no known date."""

    def __init__(self, titles: Iterable[Title], anytime: Iterable[str] = ()):
        self._titles = sorted(titles, key=lambda one: one.published_on)
        self._days = [one.published_on for one in self._titles]
        self._anytime = {normalised(title) for title in anytime}
        self._normalised: dict[str, str] = {}  # a year of digests looks at each title ten times

    def missing(self, digest: WeeklyDigest) -> list[str]:
        """Titles of a digest that no post of that time has, whole or before the name of a series."""
        first = bisect_left(self._days, digest.published_on - LOOKED_BACK)
        last = bisect_right(self._days, digest.published_on + LOOKED_AHEAD)
        held = self._anytime | {self._key(one.title) for one in self._titles[first:last]}
        return [title for title in titles_in(digest.text) if not _is_held(normalised(title), held)]

    def _key(self, title: str) -> str:
        if title not in self._normalised:
            self._normalised[title] = normalised(title)
        return self._normalised[title]


def _is_held(title: str, held: set[str]) -> bool:
    if title in held:
        return True
    return any(title in one or (len(one) >= SHORTEST * 2 and one in title) for one in held)

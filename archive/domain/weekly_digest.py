"""Read the titles that a weekly digest post lists, and find those that the archive does not have."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice

from archive.domain.text import unescape

DIGEST_TITLE = "一周要闻"  # in the title of posts that list an account's week

MIN_TITLE_LENGTH = 6  # letters and digits; a shorter title proves nothing

DAYS_BEFORE = timedelta(days=60)  # a digest lists its own week, sometimes earlier posts it had left out

DAYS_AFTER = timedelta(days=3)

MAX_LISTED = 500  # titles of one digest that are looked at, each against all posts; real ones list under 50

_PARTS = re.compile(r"[\r\n]+")

_NUMBERED = re.compile(r"\s*\d{1,2}[\s.、．]+(\S.*)")

_BULLET = re.compile(r"^\s*[·•▪■●◆]\s*(\S.*)")

_BETWEEN = re.compile(r"[·•▪■●◆]")


@dataclass(frozen=True, slots=True)
class Title:
    """A title of an archived post. `published_on` is a date in Asia/Shanghai."""

    title: str
    published_on: date


@dataclass(frozen=True, slots=True)
class WeeklyDigest:
    """A post that lists the account's week, with its text as archived. `published_on` is in Asia/Shanghai."""

    aid: str
    title: str
    published_on: date
    text: str


def titles_in(text: str) -> list[str]:
    """Return the titles a digest lists, each once, in order.

    They are numbered headings; only in a digest without such headings the bulleted overview counts, where
    one line may hold several titles.
    """
    lines = [unescape(line) for line in _PARTS.split(text)]
    numbered = [match[1] for line in lines if (match := _NUMBERED.match(line))]
    return _once(numbered or [title for line in lines for title in _bulleted(line)])


def _bulleted(line: str) -> list[str]:
    match = _BULLET.match(line)
    return _BETWEEN.split(match[1]) if match else []


def _once(titles: Iterable[str]) -> list[str]:
    unique: dict[str, str] = {}
    for title in islice(titles, MAX_LISTED):
        key = normalised(title)
        if len(key) >= MIN_TITLE_LENGTH:
            unique.setdefault(key, " ".join(title.split()))
    return list(unique.values())


def normalised(title: str) -> str:
    """Return the letters and digits of a title: posts and digests differ in spaces, dashes and quotes."""
    text = unicodedata.normalize("NFKC", unescape(title)).casefold()
    return "".join(character for character in text if character.isalnum())


class Titles:
    """The titles of an account's posts, to compare digests with; those of `anytime` have no known date."""

    def __init__(self, titles: Iterable[Title], anytime: Iterable[str] = ()):
        self._titles = sorted(titles, key=lambda one: one.published_on)
        self._days = [one.published_on for one in self._titles]
        self._anytime = {normalised(title) for title in anytime}
        self._normalised: dict[str, str] = {}  # a year of digests compares each title ten times

    def missing(self, digest: WeeklyDigest) -> list[str]:
        """Return the titles of a digest that no post of that time has, alone or within a longer title."""
        first = bisect_left(self._days, digest.published_on - DAYS_BEFORE)
        last = bisect_right(self._days, digest.published_on + DAYS_AFTER)
        archived = self._anytime | {self._key(one.title) for one in self._titles[first:last]}
        return [title for title in titles_in(digest.text) if not _is_archived(normalised(title), archived)]

    def _key(self, title: str) -> str:
        if title not in self._normalised:
            self._normalised[title] = normalised(title)
        return self._normalised[title]


def _is_archived(title: str, archived: set[str]) -> bool:
    if title in archived:
        return True
    return any(title in one or (len(one) >= MIN_TITLE_LENGTH * 2 and one in title) for one in archived)

"""The piece of a text that shows why it was found; pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from archive.domain import pagination
from archive.domain.search_text import SEAM, fold, shown
from archive.search.query import SearchError

Marked = list[tuple[str, bool]]  # pieces of text, and whether each is one of the words

LENGTH = 80  # characters

_BEFORE = 20  # of them before the first word

_MOST_WINDOWS = 3  # into one text, where the words are far apart

_ELLIPSIS = "…"


def excerpt(text: str, words: Sequence[str]) -> Marked:
    """About LENGTH characters of a post's text around the first places of the words, which are marked."""
    whole = shown(text)
    windows = list(_windows(fold(whole), words)) or [(0, LENGTH)]
    pieces: Marked = []
    for start, end in windows:
        if start > 0 or pieces:
            pieces.append((_ELLIPSIS, False))
        pieces.extend(marked(whole[start:end], words))
    if windows[-1][1] < len(whole):
        pieces.append((_ELLIPSIS, False))
    return pieces


def marked(line: str, words: Sequence[str]) -> Marked:
    """A line with its words marked, the longest where several begin at one place."""
    longest_first = sorted(words, key=len, reverse=True)
    found = re.finditer("|".join(map(re.escape, longest_first)), fold(line)) if words else iter(())
    pieces, after = [], 0
    for match in found:
        pieces.append((line[after : match.start()], False))
        pieces.append((line[match.start() : match.end()], True))
        after = match.end()
    pieces.append((line[after:], False))
    return [piece for piece in pieces if piece[0]]


def _windows(folded: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where to look into the text: around the words' first places, in its order, apart from each other."""
    places = sorted((place, len(word)) for word in words if (place := folded.find(word)) >= 0)
    chosen: list[tuple[int, int]] = []
    length = LENGTH // min(len(places), _MOST_WINDOWS) if places else LENGTH
    for place, size in places:
        end_before = chosen[-1][1] if chosen else 0
        if place + size <= end_before or len(chosen) == _MOST_WINDOWS:
            continue
        start = max(place - _BEFORE, end_before, 0)
        chosen.append((start, max(start + length, min(place + size, start + LENGTH))))
    yield from _joined(chosen)


def _joined(windows: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Windows that touch, as one."""
    joined: list[tuple[int, int]] = []
    for start, end in windows:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    yield from joined


TITLE = 2.0  # a word in the title tells as much as two texts full of it

USUAL_LENGTH = 1700  # characters of a text; the mean of real ones

_SOON, _BY_LENGTH = 1.2, 0.75  # BM25's usual numbers

_UNIT = 1_000_000  # a score is a whole number of these


def score(words: str, asked: Sequence[str]) -> int:
    """The score of a post's words, from 0 to 3 million."""
    title, _, text = words.partition(SEAM)
    damping = _SOON * (1 - _BY_LENGTH + _BY_LENGTH * len(text) / USUAL_LENGTH)
    total = 0.0
    for word in asked:
        times = text.count(word)
        total += times / (times + damping) + (TITLE if word in title else 0.0)
    return round(total / len(asked) * _UNIT)


MAX_LENGTH = 200  # characters; ours have half of it

_MOST = 2**63 - 1  # what an id may be


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A post's place in the order of dates."""

    published_on: date
    post_id: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last hit's place; by relevance also its score, and the oldest of the posts that were ranked."""

    last: Place
    score: int | None = None
    oldest: Place | None = None

    def __str__(self) -> str:
        values = [self.score, *_values(self.last), *(_values(self.oldest) if self.oldest else ())]
        return pagination.encode(values)


def _values(place: Place) -> tuple[int, int]:
    return place.published_on.toordinal(), place.post_id


def read_cursor(text: str) -> Cursor:
    """Raises SearchError for what is none."""
    try:
        if len(text) > MAX_LENGTH:
            raise ValueError
        score, *numbers = pagination.decode(text)
        return _cursor(score, numbers)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise SearchError(
            "the place to go on from is not one of this search; start at its first page"
        ) from None


def _cursor(score: object, numbers: list[object]) -> Cursor:
    if not all(type(number) is int and 0 < number <= _MOST for number in numbers):
        raise ValueError
    places = [Place(date.fromordinal(day), key) for day, key in zip(numbers[::2], numbers[1::2], strict=True)]  # type: ignore[arg-type]
    if score is None:
        (last,) = places
        return Cursor(last)
    if type(score) is not int or not 0 <= score <= _MOST:
        raise ValueError
    last, oldest = places
    return Cursor(last, score, oldest)

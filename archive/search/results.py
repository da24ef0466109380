"""Present search results: excerpts with the words marked, relevance scores, page cursors."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from archive.domain import pagination
from archive.domain.search_text import SEAM, fold, text_as_shown
from archive.search.query import SearchError

MarkedText = list[tuple[str, bool]]  # pieces of text, and whether each is one of the words

LENGTH = 80  # characters

_CONTEXT = 20  # characters before the first word

_MAX_WINDOWS = 3  # of one text, where the words are far apart

_ELLIPSIS = "…"


def excerpt(text: str, words: Sequence[str]) -> MarkedText:
    """Return about LENGTH characters of a post's text around the words' first positions, words marked."""
    whole = text_as_shown(text)
    windows = list(_windows(fold(whole), words)) or [(0, LENGTH)]
    pieces: MarkedText = []
    for start, end in windows:
        if start > 0 or pieces:
            pieces.append((_ELLIPSIS, False))
        pieces.extend(marked(whole[start:end], words))
    if windows[-1][1] < len(whole):
        pieces.append((_ELLIPSIS, False))
    return pieces


def marked(line: str, words: Sequence[str]) -> MarkedText:
    """Return a line with the words marked, the longest where several begin at one position."""
    longest_first = sorted(words, key=len, reverse=True)
    matches = re.finditer("|".join(map(re.escape, longest_first)), fold(line)) if words else iter(())
    pieces, after = [], 0
    for match in matches:
        pieces.append((line[after : match.start()], False))
        pieces.append((line[match.start() : match.end()], True))
        after = match.end()
    pieces.append((line[after:], False))
    return [piece for piece in pieces if piece[0]]


def _windows(folded: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield start and end of windows around the words' first positions, in order, without overlap."""
    places = sorted((place, len(word)) for word in words if (place := folded.find(word)) >= 0)
    chosen: list[tuple[int, int]] = []
    length = LENGTH // min(len(places), _MAX_WINDOWS) if places else LENGTH
    for place, size in places:
        end_before = chosen[-1][1] if chosen else 0
        if place + size <= end_before or len(chosen) == _MAX_WINDOWS:
            continue
        start = max(place - _CONTEXT, end_before, 0)
        chosen.append((start, max(start + length, min(place + size, start + LENGTH))))
    yield from _joined(chosen)


def _joined(windows: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join windows that touch."""
    joined: list[tuple[int, int]] = []
    for start, end in windows:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    yield from joined


TITLE_WEIGHT = 2.0  # a word in the title counts as two texts full of it

MEAN_LENGTH = 1700  # characters of a text, by real posts

_K1, _B = 1.2, 0.75  # BM25's usual parameters

_UNIT = 1_000_000  # a score is a whole number of these


def score(indexed: str, words: Sequence[str]) -> int:
    """Return the relevance of a post's indexed text for the words, from 0 to 3 million."""
    title, _, text = indexed.partition(SEAM)
    damping = _K1 * (1 - _B + _B * len(text) / MEAN_LENGTH)
    total = 0.0
    for word in words:
        times = text.count(word)
        total += times / (times + damping) + (TITLE_WEIGHT if word in title else 0.0)
    return round(total / len(words) * _UNIT)


MAX_CURSOR_LENGTH = 200  # characters; ours have half of it

_MAX_ID = 2**63 - 1  # of a 64-bit column


@dataclass(frozen=True, slots=True, order=True)
class DatePosition:
    """A post's position in the order of dates. `published_on` is a date in Asia/Shanghai."""

    published_on: date
    post_id: int


@dataclass(frozen=True, slots=True)
class SearchCursor:
    """The position of a page's last hit; by relevance also its score and the oldest of the ranked posts."""

    last: DatePosition
    score: int | None = None
    oldest: DatePosition | None = None

    def __str__(self) -> str:
        values = [self.score, *_values(self.last), *(_values(self.oldest) if self.oldest else ())]
        return pagination.encode_cursor(values)


def _values(place: DatePosition) -> tuple[int, int]:
    return place.published_on.toordinal(), place.post_id


def read_cursor(text: str) -> SearchCursor:
    """Parse the cursor of a search page. Raises SearchError when it is not one."""
    try:
        if len(text) > MAX_CURSOR_LENGTH:
            raise ValueError
        score, *numbers = pagination.decode_cursor(text)
        return _cursor(score, numbers)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise SearchError("archive.search.unknown_cursor") from None


def _cursor(score: object, numbers: list[object]) -> SearchCursor:
    if not all(type(number) is int and 0 < number <= _MAX_ID for number in numbers):
        raise ValueError
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    places = [DatePosition(date.fromordinal(day), post_id) for day, post_id in pairs]  # type: ignore[arg-type]
    if score is None:
        (last,) = places
        return SearchCursor(last)
    if type(score) is not int or not 0 <= score <= _MAX_ID:
        raise ValueError
    last, oldest = places
    return SearchCursor(last, score, oldest)

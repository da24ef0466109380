"""Where a page of hits ended, as the opaque text that asks for the next one; pure."""

from dataclasses import dataclass
from datetime import date

from archive import cursors
from archive.search.query import SearchError

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
        return cursors.written(values)


def _values(place: Place) -> tuple[int, int]:
    return place.published_on.toordinal(), place.post_id


def read_cursor(text: str) -> Cursor:
    """Raises SearchError for what is none."""
    try:
        if len(text) > MAX_LENGTH:
            raise ValueError
        score, *numbers = cursors.read(text)
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

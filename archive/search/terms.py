"""Words as runs of one and two characters, which the index knows; pure."""

from collections.abc import Iterable

LONGEST = 2  # characters of a run in the index, as `search_grams` makes them
MAX_GRAMS = 16  # asked of a word: so many together are in hardly a post that has not the word itself


def is_exact(word: str) -> bool:
    """Whether the index alone tells that a post has the word."""
    return len(word) <= LONGEST


def grams_of(words: Iterable[str]) -> list[str]:
    """Runs that every post with these words has; of a long word some, spread over it."""
    return list(dict.fromkeys(gram for word in words for gram in _grams(word)))


def _grams(word: str) -> list[str]:
    if is_exact(word):
        return [word] if word else []
    last = len(word) - LONGEST
    count = min(last, MAX_GRAMS - 1)
    places = (last * number // count for number in range(count + 1))
    return [word[place : place + LONGEST] for place in places]

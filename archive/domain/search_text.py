"""The words of a post as they are searched: what its reader sees, in small letters."""

from collections.abc import Iterable

from archive.domain import entities

SEAM = "\n"  # between title and text; no query holds it, so nothing is found across the two

# Python makes two characters of the first, and its choice for the second depends on what stands beside it.
_ONE_FOR_ONE = str.maketrans({"\u0130": "i", "\u03a3": "\u03c3"})


def words_of(title: str, text: str) -> str:
    """What is searched of a post: its title, which holds no entities, and its text with these decoded."""
    return fold(one_line(title)) + SEAM + fold(shown(text))


def shown(text: str) -> str:
    """A post's text as its reader sees it, on one line."""
    return one_line(entities.unescape(text))


def one_line(text: str) -> str:
    """The text with each run of white space (no-break and ideographic spaces too) as one space, ends bare."""
    return " ".join(text.split())


def fold(text: str) -> str:
    """The text in small letters, character for character, so that places in one are those in the other."""
    return text.translate(_ONE_FOR_ONE).lower()


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

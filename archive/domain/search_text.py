"""Normalise text for search and cut it into n-grams: what a reader sees, in lower case."""

from collections.abc import Iterable

from archive.domain.text import unescape

SEAM = "\n"  # between title and text; no query contains it, so no match spans both


def words_of(title: str, text: str) -> str:
    """Return the searched text of a post: its title, and its text with entities decoded."""
    return fold(one_line(title)) + SEAM + fold(text_as_shown(text))


def text_as_shown(text: str) -> str:
    """Return a post's text as its reader sees it, on one line."""
    return one_line(unescape(text))


def one_line(text: str) -> str:
    """Replace each run of white space (no-break and ideographic too) by one space; strip both ends."""
    return " ".join(text.split())


def fold(text: str) -> str:
    """Return the text in lower case, character for character, so that positions stay the same.

    Python makes two characters of the first letter replaced; its choice for the second depends on those
    around it.
    """
    return text.replace("\u0130", "i").replace("\u03a3", "\u03c3").lower()


GRAM_LENGTH = 2  # characters of the longest n-gram in the index, as `search_grams` makes them

MAX_GRAMS = 16  # looked up per word: hardly any post has so many together without the word itself


def is_exact(word: str) -> bool:
    """Tell whether the index alone can say that a post has the word."""
    return len(word) <= GRAM_LENGTH


def grams_of(words: Iterable[str]) -> list[str]:
    """Return n-grams that every post with these words has; of a long word some, spread over it."""
    return list(dict.fromkeys(gram for word in words for gram in _grams(word)))


def _grams(word: str) -> list[str]:
    if is_exact(word):
        return [word] if word else []
    last = len(word) - GRAM_LENGTH
    count = min(last, MAX_GRAMS - 1)
    places = (last * number // count for number in range(count + 1))
    return [word[place : place + GRAM_LENGTH] for place in places]

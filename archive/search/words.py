"""The words of a post as they are searched: what its reader sees, in small letters."""

from archive import entities

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

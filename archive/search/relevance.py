"""How much a post is about the words: a number that depends on nothing but the post and the words; pure.

For each word: how often the text has it, each further time telling less, in a long text less (BM25's curve),
and TITLE more when the title has it. Every hit has all words, so that how rare a word is tells nothing.
"""

from collections.abc import Sequence

from archive.search.words import SEAM

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

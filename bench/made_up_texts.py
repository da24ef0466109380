"""Make up texts that resemble real ones to search: lengths, frequencies of characters and words, Latin.

Words are random characters with frequencies by Zipf's law, and each text repeats some of its own.
"""

import random
from itertools import accumulate

# Characters of the texts of a real dump in equal steps, and of its longest one; their mean is 1714.
_LENGTHS = (37, 392, 524, 652, 752, 927, 1247, 1489, 1705, 2066, 2543, 3462, 4400)
_LONGEST, _LONGEST_SHARE = 20_779, 0.01
_WORDS = 60_000
_CHARACTERS = 4000
_LATIN = "abcdefghijklmnopqrstuvwxyz0123456789"
_LATIN_SHARE = 0.06  # of the words
_ENDS = ("，", "。", "、", "；", "。\r", "&nbsp;", " ", "：“", "”")
_END_SHARE = 0.12
_PER_WORD = 2.6  # characters, with what ends them


class MadeUpTexts:
    """Titles and texts by number: always the same for a number."""

    def __init__(self) -> None:
        chance = random.Random(20)
        characters = [chr(0x4E00 + number) for number in chance.sample(range(20_900), _CHARACTERS)]
        often = list(accumulate(1 / (rank + 8) for rank in range(_CHARACTERS)))
        self._words = [_word(chance, characters, often) for _ in range(_WORDS)]
        self._often = list(accumulate(1 / (rank + 3) for rank in range(_WORDS)))

    def title(self, number: int) -> str:
        """Return a title of about twenty characters."""
        chance = random.Random(-number - 1)
        return "".join(chance.choices(self._words, cum_weights=self._often, k=10))

    def text(self, number: int) -> str:
        """Return a text as the text rule produces it."""
        chance = random.Random(number)
        length = _length(chance)
        own = [chance.choice(self._words) for _ in range(20)]
        words = chance.choices(self._words, cum_weights=self._often, k=max(round(length / _PER_WORD), 1))
        for _ in range(len(words) // 12):
            words[chance.randrange(len(words))] = chance.choice(own)
        for _ in range(int(len(words) * _END_SHARE)):
            words[chance.randrange(len(words))] += chance.choice(_ENDS)
        return "".join(words)


def _length(chance: random.Random) -> int:
    if chance.random() < _LONGEST_SHARE:
        return _LONGEST
    place = chance.random() * (len(_LENGTHS) - 1)
    low, high = _LENGTHS[int(place)], _LENGTHS[int(place) + 1]
    return round(low * (high / low) ** (place % 1))


def _word(chance: random.Random, characters: list[str], often: list[float]) -> str:
    if chance.random() < _LATIN_SHARE:
        return "".join(chance.choices(_LATIN, k=chance.randint(2, 8)))
    (length,) = chance.choices((1, 2, 3, 4), (10, 65, 15, 10))
    return "".join(chance.choices(characters, cum_weights=often, k=length))

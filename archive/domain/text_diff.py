"""The difference of two texts as people read it: by character, but no word or number is cut in two; pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from diff_match_patch import diff_match_patch

Sort = Literal["same", "added", "removed"]

_SORTS: dict[int, Sort] = {0: "same", 1: "added", -1: "removed"}

# Texts of which so much differs that this is not enough are compared more roughly from then on, not wrongly.
SEARCH_SECONDS = 2.0

MAX_BY_CHARACTER = 100_000  # characters of both together; real posts have under 40,000. More: by paragraph

MAX_PARAGRAPHS = 100_000  # of both together; more, which no post has, are not compared: one text for another

_LETTER = r"[0-9A-Za-zÀ-ÖØ-öø-ɏͰ-ϿЀ-ԯ０-９Ａ-Ｚａ-ｚ]"

_MARKS = r"[\u0300-\u036f\u20d0-\u20ff\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*"  # they belong to what they follow

_BY_CHARACTER = re.compile(
    r"&\#?[0-9A-Za-z]{1,31};"  # entities, which texts keep as served
    rf"|{_LETTER}+(?:(?:['’.\-]|(?<=[0-9])[,:/](?=[0-9])){_LETTER}+)*[%％‰]?"
    rf"|.{_MARKS}(?:\u200d.{_MARKS})*",
    re.DOTALL,
)

_BY_PARAGRAPH = re.compile(r"[^\r]*\r|[^\r]+")

_STAND_INS = range(0xF0000, 0x10FFFE)  # private use: one for each token that is longer than a character


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that both have, or only one of them."""

    kind: Sort
    text: str


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a text changed, in characters."""

    added: int
    removed: int


class _Alphabet:
    """Writes texts with one character a token, for a comparison that knows only characters."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._by_token: dict[str, str] = {}
        self._tokens: dict[str, str] = {}

    def written(self, text: str) -> str:
        return "".join(map(self._stand_in, self._pattern.findall(text)))

    def read(self, written: str) -> str:
        return "".join(self._tokens.get(letter, letter) for letter in written)

    def _stand_in(self, token: str) -> str:
        if len(token) == 1 and ord(token) not in _STAND_INS:
            return token
        if token not in self._by_token:
            letter = chr(_STAND_INS[len(self._by_token)])
            self._by_token[token], self._tokens[letter] = letter, token
        return self._by_token[token]


class _Comparison(diff_match_patch):  # type: ignore[misc]  # it has no types
    """The library's, without its search for a long middle that both have where a text repeats itself: that
    takes the square of the length, and no heed of the time.
    """

    def diff_halfMatch(self, text1: str, text2: str) -> Any:
        longer, shorter = sorted((text1, text2), key=len, reverse=True)
        seed_length = len(longer) // 4
        for start in (-(-len(longer) // 4), -(-len(longer) // 2)):
            seed = longer[start : start + seed_length]
            first = shorter.find(seed)
            if seed and first != -1 and -1 != shorter.find(seed, first + 1) < first + seed_length:
                return None
        return super().diff_halfMatch(text1, text2)


def difference(before: str, after: str) -> list[Piece]:
    """The pieces of both texts in order: `same` and `removed` make `before`, `same` and `added` make `after`.

    Chinese is compared by character, what is written in Latin letters or digits by word; texts too long for
    that by paragraph (which `\\r` ends). Takes at most a few seconds, whatever the texts.
    """
    if before.count("\r") + after.count("\r") > MAX_PARAGRAPHS:
        return _wholly(before, after)
    is_long = len(before) + len(after) > MAX_BY_CHARACTER
    alphabet = _Alphabet(_BY_PARAGRAPH if is_long else _BY_CHARACTER)
    found = _compared(alphabet.written(before), alphabet.written(after))
    return [Piece(_SORTS[sort], alphabet.read(written)) for sort, written in found]


def _wholly(before: str, after: str) -> list[Piece]:
    if before == after:
        return [Piece("same", before)]
    return [piece for piece in (Piece("removed", before), Piece("added", after)) if piece.text]


def extent(pieces: Sequence[Piece]) -> Extent:
    """How many characters were added and removed."""
    return Extent(_length(pieces, "added"), _length(pieces, "removed"))


def _length(pieces: Sequence[Piece], kind: Sort) -> int:
    return sum(len(piece.text) for piece in pieces if piece.kind == kind)


def _compared(before: str, after: str) -> Iterator[tuple[int, str]]:
    comparison = _Comparison()
    comparison.Diff_Timeout = SEARCH_SECONDS
    found = comparison.diff_main(before, after, False)
    comparison.diff_cleanupSemantic(found)
    return (piece for piece in found if piece[1])

"""Compare two texts as people read them: by character, without splitting a word or number."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from diff_match_patch import diff_match_patch

PieceKind = Literal["same", "added", "removed"]

_KINDS: dict[int, PieceKind] = {0: "same", 1: "added", -1: "removed"}

# Texts that differ too much for this are compared more coarsely from then on, still correctly.
SEARCH_SECONDS = 2.0

MAX_BY_CHARACTER = 100_000  # characters of both together; real posts have under 40,000. More: by paragraph

MAX_PARAGRAPHS = 100_000  # of both together; no post has more, and more count as wholly different

_LETTER = r"[0-9A-Za-zÀ-ÖØ-öø-ɏͰ-ϿЀ-ԯ０-９Ａ-Ｚａ-ｚ]"

_MARKS = (
    r"[\u0300-\u036f\u20d0-\u20ff\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*"  # they belong to the character before
)

_BY_CHARACTER = re.compile(
    r"&\#?[0-9A-Za-z]{1,31};"  # entities, which texts keep as served
    rf"|{_LETTER}+(?:(?:['’.\-]|(?<=[0-9])[,:/](?=[0-9])){_LETTER}+)*[%％‰]?"
    rf"|.{_MARKS}(?:\u200d.{_MARKS})*",
    re.DOTALL,
)

_BY_PARAGRAPH = re.compile(r"[^\r]*\r|[^\r]+")

_PRIVATE_USE = range(0xF0000, 0x10FFFE)  # one code point for each token longer than a character


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that both texts have, or only one of them."""

    kind: PieceKind
    text: str


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a text changed, in characters."""

    added: int
    removed: int


class _Alphabet:
    """Encode texts with one character per token, for a comparison that knows only characters."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._by_token: dict[str, str] = {}
        self._tokens: dict[str, str] = {}

    def encode(self, text: str) -> str:
        return "".join(map(self._code_point, self._pattern.findall(text)))

    def decode(self, encoded: str) -> str:
        return "".join(self._tokens.get(letter, letter) for letter in encoded)

    def _code_point(self, token: str) -> str:
        if len(token) == 1 and ord(token) not in _PRIVATE_USE:
            return token
        if token not in self._by_token:
            letter = chr(_PRIVATE_USE[len(self._by_token)])
            self._by_token[token], self._tokens[letter] = letter, token
        return self._by_token[token]


class _Comparison(diff_match_patch):  # type: ignore[misc]  # it has no types
    """The library's comparison without its search for a long common middle.

    That search takes the square of the length where a text repeats itself, whatever the time limit.
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
    """Return the pieces in order: `same` and `removed` make `before`, `same` and `added` make `after`.

    Chinese is compared by character, Latin letters and digits by word; texts too long for
    that by paragraph (which `\\r` ends). Takes at most a few seconds, whatever the texts.
    """
    if before == after:
        return [Piece("same", before)] if before else []
    if before.count("\r") + after.count("\r") > MAX_PARAGRAPHS:
        return _replaced(before, after)
    is_long = len(before) + len(after) > MAX_BY_CHARACTER
    alphabet = _Alphabet(_BY_PARAGRAPH if is_long else _BY_CHARACTER)
    pieces = _compare(alphabet.encode(before), alphabet.encode(after))
    return [Piece(_KINDS[kind], alphabet.decode(encoded)) for kind, encoded in pieces]


def _replaced(before: str, after: str) -> list[Piece]:
    return [piece for piece in (Piece("removed", before), Piece("added", after)) if piece.text]


def extent(pieces: Sequence[Piece]) -> Extent:
    """Count the characters added and removed."""
    return Extent(_length(pieces, "added"), _length(pieces, "removed"))


def _length(pieces: Sequence[Piece], kind: PieceKind) -> int:
    return sum(len(piece.text) for piece in pieces if piece.kind == kind)


def _compare(before: str, after: str) -> Iterator[tuple[int, str]]:
    comparison = _Comparison()
    comparison.Diff_Timeout = SEARCH_SECONDS
    pieces = comparison.diff_main(before, after, False)
    comparison.diff_cleanupSemantic(pieces)
    return (piece for piece in pieces if piece[1])


def with_context(pieces: Sequence[Piece], context: int) -> Iterator[Piece]:
    """Yield the pieces, of unchanged ones at most `context` characters beside each change."""
    last = len(pieces) - 1
    for index, piece in enumerate(pieces):
        head = 0 if index == 0 else context
        tail = 0 if index == last else context
        if piece.kind != "same" or len(piece.text) <= head + tail + 1:
            yield piece
        else:
            yield Piece("same", f"{piece.text[:head]}…{piece.text[len(piece.text) - tail :]}")

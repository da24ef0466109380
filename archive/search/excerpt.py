"""The piece of a text that shows why it was found; pure."""

import re
from collections.abc import Iterator, Sequence

from archive.search.words import fold, shown

Marked = list[tuple[str, bool]]  # pieces of text, and whether each is one of the words
LENGTH = 80  # characters
_BEFORE = 20  # of them before the first word
_MOST_WINDOWS = 3  # into one text, where the words are far apart
_ELLIPSIS = "…"


def excerpt(text: str, words: Sequence[str]) -> Marked:
    """About LENGTH characters of a post's text around the first places of the words, which are marked."""
    whole = shown(text)
    windows = list(_windows(fold(whole), words)) or [(0, LENGTH)]
    pieces: Marked = []
    for start, end in windows:
        if start > 0 or pieces:
            pieces.append((_ELLIPSIS, False))
        pieces.extend(marked(whole[start:end], words))
    if windows[-1][1] < len(whole):
        pieces.append((_ELLIPSIS, False))
    return pieces


def marked(line: str, words: Sequence[str]) -> Marked:
    """A line with its words marked, the longest where several begin at one place."""
    longest_first = sorted(words, key=len, reverse=True)
    found = re.finditer("|".join(map(re.escape, longest_first)), fold(line)) if words else iter(())
    pieces, after = [], 0
    for match in found:
        pieces.append((line[after : match.start()], False))
        pieces.append((line[match.start() : match.end()], True))
        after = match.end()
    pieces.append((line[after:], False))
    return [piece for piece in pieces if piece[0]]


def _windows(folded: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where to look into the text: around the words' first places, in its order, apart from each other."""
    places = sorted((place, len(word)) for word in words if (place := folded.find(word)) >= 0)
    chosen: list[tuple[int, int]] = []
    length = LENGTH // min(len(places), _MOST_WINDOWS) if places else LENGTH
    for place, size in places:
        end_before = chosen[-1][1] if chosen else 0
        if place + size <= end_before or len(chosen) == _MOST_WINDOWS:
            continue
        start = max(place - _BEFORE, end_before, 0)
        chosen.append((start, max(start + length, min(place + size, start + LENGTH))))
    yield from _joined(chosen)


def _joined(windows: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Windows that touch, as one."""
    joined: list[tuple[int, int]] = []
    for start, end in windows:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    yield from joined

"""What became of a post, in the reader's words. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archive import entities
from archive.difference import Piece
from archive.history import Change, GonePictures, History, timeline
from archive.models import Absence
from archive.web.pages.render import instant
from archive.web.pages.sentences.names import NAMES
from archive.web.pages.visit import Visit

CONTEXT = 120  # characters shown on each side of a change
LEFT_OUT = 4 * CONTEXT  # a longer stretch without a change is cut


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a difference, or (left_out) the number of characters that are not shown."""

    kind: str
    text: str


def events(history: History, visit: Visit) -> Iterator[tuple[datetime, str, str]]:
    """When, what, and the page's own words, first to last."""
    for event in timeline(history):
        match event.what:
            case Change() as change:
                yield event.at, _version(change, visit), ""
            case Absence() as absence if event.is_return:
                yield event.at, visit.word("returned"), ""
            case Absence() as absence:
                yield event.at, _missing(absence, visit), absence.reason
            case GonePictures(count=count):
                yield event.at, visit.word("gone_pictures", n=count), ""
            case capture:
                yield event.at, _captured(capture, visit), capture["reason"]


def _version(change: Change, visit: Visit) -> str:
    version, extent = change.version, change.extent
    name = "version_first" if version.number == 1 else "version_changed"
    source = version.source if visit.language == "en" else NAMES.get(version.source, version.source)
    return visit.word(name, n=version.number, added=extent.added, removed=extent.removed, source=source)


def _missing(absence: Absence, visit: Visit) -> str:
    words = visit.word("missing", outcome=visit.word(f"outcome.{absence.outcome}"))
    seen = visit.word("last_seen", at=instant(absence.last_seen_at)) if absence.last_seen_at else ""
    return "; ".join(filter(None, (words, seen)))


def _captured(capture: dict[str, Any], visit: Visit) -> str:
    return visit.word("captured", outcome=visit.word(f"outcome.{capture['outcome'] or 'unread'}"))


def shortened(pieces: Sequence[Piece]) -> list[Stretch]:
    """The pieces with line ends as people see them, long stretches without a change cut in the middle."""
    return [stretch for piece in pieces for stretch in _stretches(piece)]


def _stretches(piece: Piece) -> Iterator[Stretch]:
    text = entities.unescape(piece.text).replace("\r", "\n")
    if piece.kind != "same" or len(text) <= LEFT_OUT:
        yield Stretch(piece.kind, text)
        return
    yield Stretch("same", text[:CONTEXT])
    yield Stretch("left_out", f"{len(text) - 2 * CONTEXT:,}")
    yield Stretch("same", text[-CONTEXT:])

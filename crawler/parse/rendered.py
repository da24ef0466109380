"""Hold what was read of a drawn page against the words that the browser showed."""

import re
from dataclasses import replace
from typing import Any

from archive.domain import entities
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from crawler.parse.notices import MAX_NOTICE, read_notice

SHOWN = "text"  # the name of the shown words among the evaluated values

AGREES = "rendered_agrees"  # the fact: which share of the text, 0 to 1, was shown

AGREEMENT = 0.9  # of the text; a little is drawn otherwise than it is written, as the names of players are

REPLACED = 0.5  # less than this of the text beside a notice: the notice stands in the text's place

MAX_PIECES = 3000  # sentences looked for, the first ones; real posts have under 1000

MAX_SHOWN = 500_000  # characters they are looked for in; real pages show under 50,000

# A sentence ends, or a small picture stands in it, which the text has as "[name]".
_PIECES = re.compile(r"[\r\n。！？!?；;]+|\[[^\[\]\s]{1,8}\]")

_NOT_WORDS = re.compile(r"\W+")


def against_shown(reading: ParsedPage, shown: Any) -> ParsedPage:
    """The reading of a drawn page, with the share of its text that was shown among its facts.

    A page that shows a notice instead of the text its scripts hold is what the notice says, not an article.
    """
    if reading.outcome is not Outcome.ARTICLE or not isinstance(shown, str):
        return reading
    text = reading.record.text if reading.record else str(reading.page.get("text", ""))
    share = shown_share(text, shown)
    if share < REPLACED and len(shown) <= MAX_NOTICE:
        notice = read_notice(shown)
        if notice.outcome is not Outcome.UNKNOWN:
            return ParsedPage(notice.outcome, notice.reason, page={"notice": notice.reason})
    return replace(reading, page={**reading.page, AGREES: share})


def shown_share(text: str, shown: str) -> float:
    """Which share of a text's sentences, by length, stands among the words shown; signs do not count."""
    seen = _words(shown[:MAX_SHOWN])
    split = _PIECES.split(entities.unescape(text), maxsplit=MAX_PIECES)[:MAX_PIECES]
    pieces = [words for piece in split if (words := _words(piece))]
    total = sum(map(len, pieces))
    return round(sum(len(words) for words in pieces if words in seen) / total, 3) if total else 1.0


def _words(text: str) -> str:
    return _NOT_WORDS.sub("", text)

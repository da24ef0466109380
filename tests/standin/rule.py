"""The text rule of the record, written a second time and on its own, so that the two can be compared."""

import re

_UNSEEN = re.compile(r"<(script|style)\b[^>]*>.*?</\1\s*>", re.S | re.I)
_TAG = re.compile(r"<(?!/p>)[^>]*>")


def final_content(markup: str) -> str:
    """Return the text of a body's HTML: no tags, white space collapsed, a carriage return per `</p>`."""
    bare = _TAG.sub("", _UNSEEN.sub("", markup))
    return re.sub(r"\s+", " ", bare).strip().replace("</p>", "\r")


def plain_content(words: str) -> str:
    """Return the text of a plain-text body: its line breaks become carriage returns."""
    return words.strip().replace("\n", "\r")


def markup_for(text: str) -> str:
    """HTML of a body whose text, by the rule, is exactly `text`; entities in it are kept as served."""
    *paragraphs, rest = text.split("\r")
    served = "".join(f'<p style="line-height: 1.75em;"><span>{words}</span></p>' for words in paragraphs)
    return f'<section data-role="outer">{served}<span leaf="">{rest}</span></section>'

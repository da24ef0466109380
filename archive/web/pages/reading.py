"""A post's text as it is read on a page: real ones have up to ten blank lines where a picture stood. Pure."""

import re
from itertools import groupby

_BLANK = re.compile(r"(?:\s|&nbsp;|&#160;|\u200b)*")


def readable(text: str) -> str:
    """The text with one blank line for each run of them, and none before its first word."""
    lines = text.replace("\n", "\r").split("\r")
    runs = groupby(lines, lambda line: _BLANK.fullmatch(line) is not None)
    kept = [line for is_blank, run in runs for line in ([""] if is_blank else run)]
    return "\r".join(kept[1:] if kept[0] == "" else kept)

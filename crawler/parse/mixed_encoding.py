"""Detect pages of which one part is in another encoding than the rest, as tools that join files make them."""

import re

# A text in UTF-8 that is damaged has single broken characters; a text in GB18030 has hardly a whole one.
MAX_BROKEN = 8  # in a whole page; no real page has any

# Without ASCII: one character of GB18030 or more. A character of UTF-8 that was cut off counts as one broken.
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]{2,}")

# Three Chinese characters in UTF-8 one after the other: in GB18030 such bytes come together by chance once in
# some million characters.
_CHINESE_IN_UTF8 = re.compile(rb"(?:[\xe3-\xe9][\x80-\xbf]{2}){3}")


def is_mixed(body: bytes, served: bytes) -> bool:
    """Tell whether a page has two encodings: `body` as it came, `served` what was made of it in UTF-8."""
    if body.endswith(served):  # it was taken as UTF-8
        return _is_broken(served)
    return not _is_utf8(body) and bool(_CHINESE_IN_UTF8.search(body))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_broken(text: bytes) -> bool:
    if _is_utf8(text):
        return False
    broken = 0
    for run in _BEYOND_ASCII.finditer(text):
        decoded = run[0].decode("utf-8", "replace")
        in_run = decoded.count("\ufffd") - run[0].count("\ufffd".encode())
        broken += in_run
        if (in_run > 1 and 2 * in_run > len(decoded)) or broken > MAX_BROKEN:
            return True
    return False

"""Whether a title shows anything: some are made of white space, or of signs that have no width. Pure."""

import unicodedata

_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and a pattern that are drawn as nothing


def is_visible(title: str) -> bool:
    """Whether a reader sees any sign of it; a link of none can be neither seen nor told."""
    return any(unicodedata.category(sign)[0] not in "CZ" and sign not in _BLANK for sign in title)

"""The inbox as a page: for a bookmarklet, and for a person with an address to paste.

It asks nobody else for anything. The address comes in the fragment, which no server is sent and no log holds.
"""

import hashlib
from base64 import b64encode
from html import escape
from importlib import resources
from string import Template


def _part(name: str) -> str:
    return (resources.files(__package__) / "inbox" / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


_STYLE, _SCRIPT, _PAGE = _part("inbox.css"), _part("inbox.js"), Template(_part("inbox.html"))

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def inbox_page(said: str = "") -> str:
    """The page; `said` is what became of a form that was sent without JavaScript."""
    return _PAGE.substitute(style=_STYLE, script=_SCRIPT, said=escape(said))

"""Addresses on the web as pages and lists write them. Pure."""

import html
import re

# Only with the semicolon: `&region=1` is a parameter, not ®ion=1.
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});")
_BREAKS = re.compile(r"[\t\r\n]")


def clean_url(url: str) -> str:
    """An address without the entities that some lists carry twice; scheme-less ones become https."""
    decoded = _BREAKS.sub("", _decoded(_decoded(url))).strip()
    return f"https:{decoded}" if decoded.startswith("//") else decoded


def _decoded(text: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text

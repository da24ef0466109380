"""Pages out of templates: escaped, forbidden to run or ask for anything, told by their hash."""

import hashlib
from datetime import date, datetime
from typing import Any

from babel.dates import format_date
from fastapi import Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request

from archive.record import SHANGHAI
from archive.web.pages.saying import counted, said
from archive.web.pages.static import STYLE
from archive.web.pages.visit import Visit
from archive.web.pages.words import LANGUAGES
from archive.web.titles import is_visible
from archive.web.unchanged import unchanged

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
GUARDED = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HEADERS = {
    **GUARDED,
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "Cache-Control": "private, no-cache",
    "Vary": "Accept-Language",
}
_LOCALES = {"en": "en_GB", "zh": "zh_Hans_CN"}
_TAGS = {"en": "en", "zh": "zh-Hans"}
_UNITS = ("B", "kB", "MB", "GB", "TB")
MAX_TITLE = 100  # characters of a line in a list; WeChat allows 64 but for posts that are all text


def page(request: Request, template: str, status: int = 200, /, **values: Any) -> Response:
    """A page; 304 without it where the reader has it already."""
    visit = Visit.of(request)
    markup = _templates.get_template(template).render(
        visit=visit, t=visit.word, link=visit.link, html_lang=_TAGS[visit.language], **values
    )
    content = markup.encode("utf-8", "replace")
    tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": tag, "Content-Language": _TAGS[visit.language]}
    known = unchanged(request, headers) if status == 200 else None
    return known or Response(content, status, headers, "text/html")


def instant(moment: datetime | None) -> str:
    """An instant to the minute, in Asia/Shanghai."""
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}" if moment else ""


def size(count: float) -> str:
    """A number of bytes as people read it."""
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"


def _day(day: date, visit: Visit) -> str:
    return format_date(day, "full", locale=_LOCALES[visit.language])


def _month(day: date, visit: Visit) -> str:
    return format_date(day, "LLL", locale=_LOCALES[visit.language])


def _heading(title: str, otherwise: str) -> str:
    """A title on one line: posts that are all text have theirs as title, and some one of no sign."""
    line = " ".join(title.split()) if is_visible(title) else ""
    return (line if len(line) <= MAX_TITLE else f"{line[:MAX_TITLE]}…") or otherwise


def _made() -> Environment:
    made = Environment(
        loader=PackageLoader("archive.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"languages": LANGUAGES, "tags": _TAGS, "style": STYLE}
    made.filters |= {
        "instant": instant,
        "size": size,
        "number": lambda count: f"{count:,}",
        "day": _day,
        "month": _month,
        "heading": _heading,
        "said": said,
        "counted": counted,
    }
    return made


_templates = _made()

"""Which language a reader is answered in: the one asked for, else what the browser prefers. Pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from typing import Annotated, Any, Self
from urllib.parse import quote, urlencode

from babel.dates import format_date
from fastapi import APIRouter, Query, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BeforeValidator, Field
from starlette.requests import Request

from archive.domain.messages import Message
from archive.domain.outcomes import Kind
from archive.domain.records import SHANGHAI
from web.errors import written_as_day
from web.http_cache import is_visible, unchanged
from web.locale.sentences import translated
from web.locale.sentences.names import COUNTS, NAMES
from web.locale.words import LANGUAGES, Language, word

MOST_PREFERENCES = 20  # of a header that are looked at; browsers send under ten


def chosen_language(asked: str | None, accepted: str) -> Language:
    """`asked` is the address's ?lang=, `accepted` the header Accept-Language; English where neither tells."""
    for language in LANGUAGES:
        if asked == language:
            return language
    for tag in _by_preference(accepted):
        for language in LANGUAGES:
            if tag.partition("-")[0] == language:
                return language
    return "en"


def _by_preference(accepted: str) -> list[str]:
    ranges = [part.partition(";") for part in accepted.split(",")[:MOST_PREFERENCES]]
    weighed = [(_weight(parameter), tag.strip().lower()) for tag, _, parameter in ranges]
    return [tag for weight, tag in sorted(weighed, key=lambda one: -one[0]) if weight > 0]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


_IN_PATH = "/=:@"  # what a path may hold as it is; __biz ends with ==


@dataclass(frozen=True, slots=True)
class Visit:
    """`asked` is the language that the address names, which then every link names too."""

    path: str
    query: Mapping[str, str]
    language: Language
    asked: Language | None

    @classmethod
    def of(cls, request: Request) -> Self:
        """What is told by a request."""
        named = request.query_params.get("lang")
        language = chosen_language(named, request.headers.get("accept-language", ""))
        asked = language if named in LANGUAGES else None
        return cls(request.url.path, dict(request.query_params), language, asked)

    def word(self, name: str, /, **values: object) -> str:
        """A word of the reading room in the reader's language."""
        return word(self.language, name, **values)

    def link(self, /, *path: object, **query: object) -> str:
        """The address of a page of ours; what is None or empty is left out."""
        # two slashes at the beginning would name another host
        place = "/" + "/".join(quote(str(part), safe=_IN_PATH) for part in path).lstrip("/")
        given = {"lang": self.asked, **query}
        told = urlencode({name: value for name, value in given.items() if value not in (None, "")})
        return f"{place}?{told}" if told else place

    def here(self, /, **changes: object) -> str:
        """The address of this page with other parameters."""
        return self.link(self.path.removeprefix("/"), **{**self.query, **changes})


def kinds_of(visit: Visit) -> list[tuple[str, str]]:
    """The kinds to choose from in a form, with their words; "" is all of them."""
    return [("", visit.word("all_kinds")), *((kind, visit.word(f"kind.{kind}")) for kind in Kind)]


_ENGLISH = re.compile(r"(?<!\S)[A-Za-z]{2,}(?!\S)")  # a word; not a part of an address or a number


def said(sentence: str | Message, visit: Visit) -> str:
    """A sentence or word of the program; on a Chinese page, one that has no Chinese is marked as English."""
    if isinstance(sentence, Message):
        return sentence.text(visit.language)
    if visit.language == "en":
        return sentence
    chinese = translated(sentence)
    if chinese is None and _ENGLISH.search(sentence):
        return Markup('<span lang="en">{}</span>').format(sentence)
    return chinese or sentence


def counted(counts: Mapping[str, Any], visit: Visit) -> str:
    """The counts of a run that are not zero, by name; counts within counts stand in brackets."""
    comma, brackets = (", ", " ({})") if visit.language == "en" else ("，", "（{}）")
    return comma.join(
        name + (brackets.format(counted(count, visit)) if isinstance(count, Mapping) else f" {count}")
        for name, count in ((_name(name, visit), count) for name, count in counts.items() if count)
    )


def _name(name: str, visit: Visit) -> str:
    return name if visit.language == "en" else COUNTS.get(name) or NAMES.get(name, name)


_FOR_A_YEAR = "public, max-age=31536000, immutable"  # an address is never used for another content

_LOCKED = "default-src 'none'; frame-ancestors 'none'"


def _content(name: str) -> bytes:
    return (resources.files(__package__) / "static" / name).read_bytes()


def _named(content: bytes, stem: str, ending: str) -> str:
    return f"/static/{stem}-{hashlib.sha256(content).hexdigest()[:12]}.{ending}"


_STYLE, _ICON = _content("style.css"), _content("icon.svg")

STYLE = _named(_STYLE, "style", "css")

ICON = "/favicon.ico"  # browsers ask for it unasked

_FILES = {STYLE: (_STYLE, "text/css"), ICON: (_ICON, "image/svg+xml")}


def static_router() -> APIRouter:
    """Each file at its own address."""
    router = APIRouter(include_in_schema=False)
    for address in _FILES:
        router.add_api_route(address, _file, methods=["GET", "HEAD"], response_class=Response)
    return router


def _file(request: Request) -> Response:
    content, media_type = _FILES[request.url.path]
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": _LOCKED}
    headers["Cache-Control"] = _FOR_A_YEAR if request.url.path == STYLE else "public, max-age=86400"
    return Response(content, headers=headers, media_type=media_type)


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
        loader=PackageLoader("web.pages"),
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

MAX_NAME, MAX_CURSOR = 200, 500  # characters


def _empty_is_none(value: Any) -> Any:
    """A form sends also what nobody filled in."""
    return None if value == "" else value


Day = Annotated[date | None, BeforeValidator(written_as_day), BeforeValidator(_empty_is_none), Query()]

OfKind = Annotated[Kind | None, BeforeValidator(_empty_is_none), Query()]

Name = Annotated[Annotated[str, Field(max_length=MAX_NAME)] | None, BeforeValidator(_empty_is_none), Query()]

Cursor = Annotated[
    Annotated[str, Field(max_length=MAX_CURSOR)] | None, BeforeValidator(_empty_is_none), Query()
]


def add_page(router: APIRouter, path: str, endpoint: Any) -> None:
    """Answer GET and HEAD at a path."""
    router.add_api_route(path, endpoint, methods=["GET", "HEAD"], response_class=Response)

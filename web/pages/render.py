"""Rendering of pages: the language of a request, the Jinja environment, headers, static files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from typing import Annotated, Any, Self
from urllib.parse import quote, quote_plus

from babel.dates import format_date
from fastapi import APIRouter, Query, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BeforeValidator, Field
from starlette.requests import Request

from archive.domain.messages import Message
from archive.domain.outcomes import ChangeKind, Kind, PostMark
from archive.domain.records import SHANGHAI
from archive.domain.text import has_visible_character
from archive.repository.post_queries import PostFilter
from archive.system.catalogues import LANGUAGES, Language, template
from web.errors import first_day, last_day
from web.http_cache import entity_tag, not_modified

LANGUAGE_NAMES: dict[Language, str] = {"en": "English", "zh": "中文"}  # each in its own language

MOST_PREFERENCES = 20  # of an Accept-Language header that are read; browsers send under ten


def chosen_language(parameter: str | None, accepted: str) -> Language:
    """Return the language of the parameter ?lang=, else of the header Accept-Language, else English."""
    for language in LANGUAGES:
        if parameter == language:
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


_IN_PATH = "/=:@"  # characters that a path may hold unquoted; a __biz ends with ==

_TAGS: dict[Language, str] = {"en": "en", "zh": "zh-Hans"}

_COUNT_PREFIXES = ("archive.count.", "archive.check.", "archive.outcome.", "archive.source_state.")


@dataclass(frozen=True, slots=True)
class PageContext:
    """A request for a page: its path and query, and the language of the answer.

    `explicit_language` is the language that the address itself names; every link then names it too.
    `repeated` has all values of the parameters that come more than once; `query` has their last one.
    """

    path: str
    query: Mapping[str, str]
    language: Language
    explicit_language: Language | None
    repeated: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request) -> Self:
        """Read path, query and language from a request."""
        named = request.query_params.get("lang")
        language = chosen_language(named, request.headers.get("accept-language", ""))
        explicit = language if named in LANGUAGES else None
        parameters = request.query_params
        repeated = {name: parameters.getlist(name) for name in parameters}
        repeated = {name: values for name, values in repeated.items() if len(values) > 1}
        return cls(request.url.path, dict(parameters), language, explicit, repeated)

    def text(self, code: str, /, **params: object) -> str:
        """Return the words of a message code in the reader's language."""
        return Message(code, params).text(self.language)

    def words(self, code: str, number: int) -> str:
        """Return the words of a code for a number with their fields, for texts that are written often."""
        return template(code, self.language, number) or code

    def name_of(self, prefix: str, value: str, /) -> str:
        """Return the name of a stored value (an outcome, a kind ...); a value without a name as it is.

        `prefix` is a message code up to its last dot: archive.outcome.
        """
        return template(f"{prefix}{value.replace(' ', '_')}", self.language) or value

    def message(self, value: Message | str, /) -> str:
        """Return a message, or the message of a stored text, in the reader's language.

        Text in another language, such as a sentence of an earlier version or of a server, is marked as such.
        """
        message = value if isinstance(value, Message) else Message.load(value)
        text = message.text(self.language)
        other = _language_of(text) if _is_verbatim(message) else None
        if other is None or other == self.language:
            return text
        return Markup('<span lang="{}">{}</span>').format(_TAGS[other], text)

    def counts(self, counts: Mapping[str, Any], /) -> str:
        """Return the counts of a run that are not zero, by name; nested counts in brackets."""
        comma, brackets = (", ", " ({})") if self.language == "en" else ("，", "（{}）")
        return comma.join(
            self._count_name(name)
            + (brackets.format(self.counts(count)) if isinstance(count, Mapping) else f" {count}")
            for name, count in counts.items()
            if count
        )

    def _count_name(self, name: str) -> str:
        found = (template(f"{prefix}{name}", self.language) for prefix in _COUNT_PREFIXES)
        return next(filter(None, found), name)

    def link(self, /, *path: object, **query: object) -> str:
        """Return the address of a page of ours; parameters that are None or empty are left out."""
        # Two slashes at the beginning would name another host.
        address = "/" + "/".join([_quoted(str(part)) for part in path]).lstrip("/")
        if not query and not self.explicit_language:
            return address
        parameters = {"lang": self.explicit_language, **query}
        given = {name: value for name, value in parameters.items() if value not in (None, "", [])}
        encoded = "&".join(_encoded(name, value) for name, value in given.items())
        return f"{address}?{encoded}" if encoded else address

    def here(self, /, **changes: object) -> str:
        """Return the address of this page with some parameters changed."""
        return self.link(self.path.removeprefix("/"), **{**self.query, **self.repeated, **changes})


@lru_cache(maxsize=4096)  # a list of posts has the same account in each address
def _quoted(part: str) -> str:
    return quote(part, safe=_IN_PATH)


def _encoded(name: str, value: object) -> str:
    """Return a parameter as `urllib.parse.urlencode` does, in a third of its time; a list repeats it."""
    if isinstance(value, list):
        return "&".join(_encoded(name, one) for one in value)
    return f"{quote_plus(name)}={quote_plus(str(value))}"


def _is_verbatim(message: Message) -> bool:
    return message.code == "archive.verbatim" or template(message.code, "en") is None


def _language_of(text: str) -> Language | None:
    """Return the language of a text by its characters; None for numbers, addresses and the like."""
    if any("\u4e00" <= character <= "\u9fff" for character in text):
        return "zh"
    words = (word for word in text.split() if len(word) > 1 and word.isascii() and word.isalpha())
    return "en" if next(words, None) else None


def kind_options(context: PageContext) -> list[tuple[str, str]]:
    """Return the kinds to choose from in a form, with their names; "" stands for all of them."""
    kinds = [(str(kind), context.name_of("archive.kind.", kind)) for kind in Kind]
    return [("", context.text("web.label.all_kinds")), *kinds]


def mark_options(context: PageContext) -> list[tuple[str, str]]:
    """Return the marks to choose from in a form, with their names; "" stands for all posts."""
    marks = [(str(mark), context.name_of("archive.mark.", mark)) for mark in PostMark]
    return [("", context.text("web.label.all_posts")), *marks]


def change_options(context: PageContext) -> list[tuple[str, str]]:
    """Return the kinds of changes to choose from in a form, with their names; "" stands for all of them."""
    kinds = [(str(kind), context.name_of("archive.change_kind.", kind)) for kind in ChangeKind]
    return [("", context.text("web.label.all_changes")), *kinds]


_FOR_A_YEAR = "public, max-age=31536000, immutable"  # an address is never used for another content

_STATIC_POLICY = "default-src 'none'; frame-ancestors 'none'"


def _content(name: str) -> bytes:
    return (resources.files(__package__) / "static" / name).read_bytes()


_STYLE, _SCRIPT = _content("style.css"), _content("keys.js")

STYLE = _STYLE.decode()

STYLE_PATH = f"/static/style-{sha256(_STYLE).hexdigest()[:12]}.css"

SCRIPT_PATH = f"/static/keys-{sha256(_SCRIPT).hexdigest()[:12]}.js"  # shortcuts of the keyboard

ICON_PATH = "/favicon.ico"  # browsers ask for it unasked

_FILES = {
    STYLE_PATH: (_STYLE, "text/css"),
    SCRIPT_PATH: (_SCRIPT, "text/javascript"),
    ICON_PATH: (_content("icon.svg"), "image/svg+xml"),
}


def static_router() -> APIRouter:
    """Serve each static file at its own address."""
    router = APIRouter(include_in_schema=False)
    for address in _FILES:
        add_page(router, address, _file)
    return router


def _file(request: Request) -> Response:
    content, media_type = _FILES[request.url.path]
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": _STATIC_POLICY}
    headers["Cache-Control"] = "public, max-age=86400" if request.url.path == ICON_PATH else _FOR_A_YEAR
    return Response(content, headers=headers, media_type=media_type)


_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; script-src 'self'"
)

SECURITY_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_HEADERS = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "Cache-Control": "private, no-cache",
    "Vary": "Accept-Language",
}

_LOCALES = {"en": "en_GB", "zh": "zh_Hans_CN"}

_UNITS = ("B", "kB", "MB", "GB", "TB")

MAX_HEADING = (
    100  # characters of a title in a list; WeChat allows 64, but a post that is all text has it as title
)


def render_page(request: Request, page: str, status: int = 200, /, **values: Any) -> Response:
    """Render a template of templates/; answer 304 without it if the client has that content."""
    content = page_markup(request, page, **values).encode("utf-8", "replace")
    tag = _TAGS[PageContext.of(request).language]
    headers = {**_HEADERS, "ETag": f"W/{entity_tag(content)}", "Content-Language": tag}
    known = not_modified(request, headers) if status == 200 else None
    return known or Response(content, status, headers, "text/html")


def page_markup(request: Request, page: str, /, **values: Any) -> str:
    """Return a rendered template of templates/, in the language of the request."""
    context = PageContext.of(request)
    return _environment.get_template(page).render(
        context=context,
        text=context.text,
        name_of=context.name_of,
        message=context.message,
        counts=context.counts,
        link=context.link,
        html_lang=_TAGS[context.language],
        takes_links=takes_links(request),
        **values,
    )


def takes_links(request: Request) -> bool:
    """Tell whether readers can submit links: the application sets it where the inbox has a token."""
    app = request.scope.get("app")
    return bool(app and getattr(app.state, "takes_links", False))


def format_instant(moment: datetime | None) -> str:
    """Return an aware instant to the minute, in Asia/Shanghai; "" for None."""
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}" if moment else ""


def format_size(count: float) -> str:
    """Return a number of bytes in decimal units: 1.5 MB."""
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"


@lru_cache(maxsize=4096)  # dates of a page, twice: Babel takes as long for a date as a whole post of a list
def _formatted(day: date, pattern: str, language: Language) -> str:
    return format_date(day, pattern, locale=_LOCALES[language])


def _day(day: date, context: PageContext) -> str:
    return _formatted(day, "full", context.language)


def _month(day: date, context: PageContext) -> str:
    return _formatted(day, "LLL", context.language)


def _heading(title: str, otherwise: str) -> str:
    """Return a title on one line and shortened; `otherwise` for a title without a visible character."""
    line = " ".join(title.split()) if has_visible_character(title) else ""
    return (line if len(line) <= MAX_HEADING else f"{line[:MAX_HEADING]}…") or otherwise


def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("web.pages"),
        autoescape=True,
        auto_reload=False,  # or each page looks at the times of its templates' files
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "languages": LANGUAGE_NAMES,
        "tags": _TAGS,
        "style": STYLE_PATH,
        "script": SCRIPT_PATH,
    }
    environment.filters |= {
        "instant": format_instant,
        "size": format_size,
        "number": lambda count: f"{count:,}",
        "day": _day,
        "month": _month,
        "heading": _heading,
    }
    return environment


_environment = _make_environment()

MAX_NAME, MAX_CURSOR = 200, 500  # characters


def empty_is_none(value: Any) -> Any:
    """Return None for the empty fields that a form sends too."""
    return None if value == "" else value


OptionalSince = Annotated[date | None, BeforeValidator(first_day), BeforeValidator(empty_is_none), Query()]

OptionalUntil = Annotated[date | None, BeforeValidator(last_day), BeforeValidator(empty_is_none), Query()]

OptionalKind = Annotated[Kind | None, BeforeValidator(empty_is_none), Query()]

OptionalMark = Annotated[PostMark | None, BeforeValidator(empty_is_none), Query(alias="changed")]

OptionalChange = Annotated[ChangeKind | None, BeforeValidator(empty_is_none), Query(alias="kind")]

OptionalName = Annotated[
    Annotated[str, Field(max_length=MAX_NAME)] | None, BeforeValidator(empty_is_none), Query()
]

OptionalCursor = Annotated[
    Annotated[str, Field(max_length=MAX_CURSOR)] | None, BeforeValidator(empty_is_none), Query()
]


DOWNLOADS = {"csv": "CSV", "xlsx": "XLSX", "jsonl": "JSON Lines", "sqlite": "SQLite"}  # see web.downloads


def download_links(context: PageContext, chosen: PostFilter, words: str = "") -> list[tuple[str, str]]:
    """Return the names of the formats, each with the address that downloads the posts of a filter in it."""
    query = {"q": words, "account": chosen.account, "kind": chosen.kind, "since": chosen.since}
    query |= {"until": chosen.until, "changed": chosen.mark}
    return [
        (name, context.link("downloads", f"posts.{ending}", **query)) for ending, name in DOWNLOADS.items()
    ]


def add_page(router: APIRouter, path: str, endpoint: Any) -> None:
    """Answer GET and HEAD at a path."""
    router.add_api_route(path, endpoint, methods=["GET", "HEAD"], response_class=Response)

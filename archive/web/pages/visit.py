"""One reader's request: the language, and addresses that keep it without a cookie."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlencode

from starlette.requests import Request

from archive.vocabulary import Kind
from archive.web.pages.language import chosen_language
from archive.web.pages.words import LANGUAGES, Language, word

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

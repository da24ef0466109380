"""Read what a post's page says outside its body: title, account, times and the properties of its head."""

import re
from dataclasses import dataclass
from functools import cached_property

from bs4 import BeautifulSoup
from bs4.filter import SoupStrainer

from crawler.parse.copies import MarkedCopies
from crawler.parse.html_outline import Outline
from crawler.parse.script_state import PageState

_META = SoupStrainer("meta")

_TITLE_ID, _ACCOUNT_IDS, _TIME_IDS = "activity-name", ("js_name", "post-user"), ("publish_time", "post-date")

_MARKED = SoupStrainer(id=[_TITLE_ID, *_ACCOUNT_IDS, *_TIME_IDS])

_HEADING, _OLD_HEADING = SoupStrainer("h1"), SoupStrainer("h2", id=_TITLE_ID)  # until 2019

_PROFILE_ACCOUNT = SoupStrainer(class_=re.compile(r"^\s*profile_nickname\b"))

_TEXT_ACCOUNT = SoupStrainer(class_=re.compile(r"^\s*wx_follow_nickname\b"))  # of a text post, in #js_content

_TIME_PROPERTIES = ("article:published_time", "og:article:published_time", "og:release_date")


@dataclass(frozen=True)
class PostHead:
    """What a post's page says outside its body; `meta` by name or property, the first of each."""

    title: str
    account: str
    meta: dict[str, str]
    marked: MarkedCopies
    shown_times: tuple[str, ...]  # as a reader sees them, most of them empty on a page as it is served


def read_head(page: Outline, state: PageState) -> PostHead:
    """Return what a post's page says outside its body."""
    head = _Head(page)
    marked = MarkedCopies(
        titles=(head.meta.get("og:title", ""), head.marked.get(_TITLE_ID, "")),
        accounts=tuple(head.marked.get(name, "") for name in _ACCOUNT_IDS),
        links=(head.meta.get("og:url", ""),),
    )
    shown = (head.marked.get(name, "") for name in _TIME_IDS)
    times = (*shown, *(head.meta.get(name, "") for name in _TIME_PROPERTIES))
    return PostHead(_title(state, head), _account(state, head), head.meta, marked, times)


class _Head:
    """The markup of a page outside its body, each part of it parsed once."""

    def __init__(self, page: Outline) -> None:
        self.page = page

    @cached_property
    def meta(self) -> dict[str, str]:
        soup = BeautifulSoup(self.page.markup.partition("</head>")[0], "lxml", parse_only=_META)
        found: dict[str, str] = {}
        for tag in soup.find_all("meta"):
            name, content = tag.get("property") or tag.get("name"), tag.get("content")
            if isinstance(name, str) and isinstance(content, str) and content:
                found.setdefault(name, content)
        return found

    @cached_property
    def marked(self) -> dict[str, str]:
        """The texts of elements by their id, the first of each that has any."""
        found: dict[str, str] = {}
        for tag in BeautifulSoup(self.page.markup, "lxml", parse_only=_MARKED).find_all(
            True, recursive=False
        ):
            if words := tag.get_text(" ", strip=True):
                found.setdefault(str(tag.get("id")), words)
        return found

    def text_of(self, *wanted: SoupStrainer) -> str:
        return next(filter(None, (_text_of(self.page.markup, one) for one in wanted)), "")


def _title(state: PageState, head: _Head) -> str:
    written = state.text("data.title", "msg_title", "title")
    if written.strip():
        return written
    return head.meta.get("og:title", "").strip() or head.text_of(_OLD_HEADING, _HEADING)


def _account(state: PageState, head: _Head) -> str:
    written = state.text("nickname", "nick_name", "data.nick_name", "name")
    marked = next(filter(None, (head.marked.get(name, "") for name in _ACCOUNT_IDS)), "")
    if written or marked:
        return written or marked
    return head.text_of(_TEXT_ACCOUNT, _PROFILE_ACCOUNT) or _text_of(head.page.body or "", _TEXT_ACCOUNT)


def _text_of(markup: str, wanted: SoupStrainer) -> str:
    """Return the text of the first such element that has any."""
    soup = BeautifulSoup(markup, "lxml", parse_only=wanted)
    words = (found.get_text(" ", strip=True) for found in soup.find_all(True, recursive=False))
    return next(filter(None, words), "")

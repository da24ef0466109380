"""An album's web page: its first posts, in the list that is shown and in the page's own variables. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bs4 import BeautifulSoup, Tag

from crawler.discovery.answers import listed, number
from crawler.parse.jsvalues import assignments

MAX_BYTES = 4 * 1024 * 1024  # real ones have 0.3 MB
_NAMES = {"data-link": "url", "data-title": "title", "data-msgid": "msgid", "data-itemidx": "itemidx"}


@dataclass(frozen=True)
class AlbumPage:
    """The posts an album's page shows, in the form of the listing in JSON."""

    items: list[dict[str, Any]]
    more: bool
    count: int | None


def album_page(body: bytes) -> AlbumPage | None:
    """Read an album's page; None when it is none."""
    if len(body) > MAX_BYTES or b"cgiData" not in body:
        return None
    soup = BeautifulSoup(body, "lxml")
    state = _state(soup)
    if not state.get("albumId"):
        return None
    items = [_item(tag) for tag in soup.select("li.js_album_item")]
    times = {
        (str(one.get("msgid")), str(one.get("itemidx"))): one for one in listed(state.get("articleList"))
    }
    for item in items:
        told = times.get((str(item.get("msgid")), str(item.get("itemidx"))), {})
        item["create_time"] = told.get("create_time")
    return AlbumPage(items, number(state.get("continue_flag")) == 1, number(state.get("article_count")))


def _state(soup: BeautifulSoup) -> dict[str, Any]:
    for script in soup.find_all("script"):
        text = script.get_text()
        if "cgiData" in text:
            for _, value in assignments(text.encode("utf-8", "replace"), frozenset({"cgiData"})):
                return dict(value) if isinstance(value, Mapping) else {}
    return {}


def _item(tag: Tag) -> dict[str, Any]:
    item: dict[str, Any] = {name: str(tag.get(shown, "")) for shown, name in _NAMES.items()}
    return item | {"pos_num": str(tag.get("data-pos_num", ""))}

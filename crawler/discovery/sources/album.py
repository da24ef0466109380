"""An album's web page: its first posts, in the list that is shown and in the page's own variables. Pure."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from bs4 import BeautifulSoup, Tag

from archive.domain.addresses import HOST
from crawler.discovery.responses import (
    instant,
    is_html,
    json_of,
    listed,
    number,
    picked,
    table,
    web_page,
    words,
)
from crawler.discovery.source import Ask, Discovery, Found, Reply, Seen, SourceError, State, newest_of
from crawler.parse.js_literals import assignments

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


PAGES = 30  # of one try: 600 posts; what an album has beyond is gone on with at the next try

COUNT = 20  # posts a page, the most the server gives

MOST_LISTED = 5 * COUNT  # of one page; what an answer lists beyond is asked for as the next page

REMEMBERED = 40  # keys of the newest posts: two pages, should the first of them be deleted meanwhile

_KEPT = ("key", "msgid", "itemidx", "pos_num", "item_show_type", "create_time", "is_pay_subscribe")

_Place = tuple[str, str]  # msgid and itemidx of the last post listed


@dataclass(frozen=True)
class Listing:
    """One page of an album: its posts by key, in the order listed. `count` is of the whole album."""

    posts: tuple[tuple[str, Seen], ...]
    more: bool
    last: _Place
    count: int | None = None

    @property
    def keys(self) -> set[str]:
        """Of its posts."""
        return {key for key, _ in self.posts}

    @property
    def oldest_first(self) -> bool:
        """By the places in the album, for the times of posts that were put in later are out of order."""
        places = [number(seen.listing.get("pos_num")) for _, seen in self.posts]
        if places and places[0] is not None and places[-1] is not None:
            return places[0] < places[-1]
        times = [seen.published_at for _, seen in self.posts if seen.published_at]
        return bool(times) and times[0] < times[-1]


class Album:
    """One album of an account."""

    host = HOST

    def __init__(self, biz: str, album_id: str):
        self.name = f"album:{album_id}"
        self._biz = biz
        self._id = album_id

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List what is new since the last try; all of it the first time, or when one was put in between."""
        posts: dict[str, Seen] = {}
        try:
            return (yield from self._walk(memory, posts))
        except SourceError as trouble:
            return trouble.found(list(posts.values()), memory)

    def _walk(self, memory: dict[str, Any], posts: dict[str, Seen]) -> Discovery:
        listing, reverse = yield from self._first(memory)
        posts.update(listing.posts)
        if not posts:
            raise SourceError(State.EMPTY, "the album lists no posts")
        rest = _place(memory)
        if listing.more and listing.oldest_first:  # what is new stands at the end
            last = yield from self._on(reverse, rest or listing.last, 1, posts)
            return _found(posts, _memory(posts, listing.count, reverse, last.last, memory), more=last.more)
        last, pages = yield from self._to_known(reverse, listing, memory, posts)
        if last.more and pages >= PAGES:
            rest = last.last
        elif not last.more:
            rest = None
        elif rest:
            last = yield from self._on(reverse, rest, pages, posts)
            rest = last.last if last.more else None
        return _found(posts, _memory(posts, listing.count, reverse, rest, memory), more=rest is not None)

    def _to_known(
        self, reverse: str, listing: Listing, memory: dict[str, Any], posts: dict[str, Seen]
    ) -> Generator[Ask, Reply, tuple[Listing, int]]:
        """Go on until known posts are reached; the last page, and how many were listed."""
        known, count, pages = set(memory.get("newest") or ()), listing.count, 1
        while listing.more and pages < PAGES and not _is_enough(listing, posts, known, count, memory):
            listing = yield from self._more(reverse, listing.last, posts)
            pages += 1
        return listing, pages

    def _on(
        self, reverse: str, place: _Place, pages: int, posts: dict[str, Seen]
    ) -> Generator[Ask, Reply, Listing]:
        """Go on from a place as far as one try may; the last page."""
        listing = Listing((), True, place)
        while listing.more and pages < PAGES:
            listing = yield from self._more(reverse, listing.last, posts)
            pages += 1
        return listing

    def _more(self, reverse: str, place: _Place, posts: dict[str, Seen]) -> Generator[Ask, Reply, Listing]:
        """The page after a place. One that brings nothing is the last, whatever it says."""
        listing = yield from self._page(reverse, place)
        if listing.keys <= posts.keys():
            return Listing(listing.posts, False, listing.last if listing.posts else place, listing.count)
        posts.update(listing.posts)
        return listing

    def _first(self, memory: dict[str, Any]) -> Generator[Ask, Reply, tuple[Listing, str]]:
        """The first page, the newest posts first where the album can be listed so, and the flag for it."""
        reverse = "1" if memory.get("is_reverse") == "1" else "0"
        listing = yield from self._page(reverse)
        if not (listing.more and listing.oldest_first):
            return listing, reverse
        other = "0" if reverse == "1" else "1"
        turned = yield from self._page(other)
        return (listing, reverse) if turned.oldest_first else (turned, other)

    def _page(self, reverse: str, after: _Place | None = None) -> Generator[Ask, Reply, Listing]:
        reply = yield Ask(self._url(reverse, after))
        return read_listing(reply)

    def _url(self, reverse: str, after: _Place | None) -> str:
        query = {"action": "getalbum", "__biz": self._biz, "album_id": self._id, "count": str(COUNT)}
        if after:
            query |= {"begin_msgid": after[0], "begin_itemidx": after[1]}
        query |= {"is_reverse": reverse, "f": "json"}
        return f"https://{HOST}/mp/appmsgalbum?{urlencode(query)}"


def _is_enough(
    listing: Listing, posts: dict[str, Seen], known: set[str], count: int | None, memory: dict[str, Any]
) -> bool:
    """Whether a known post is reached, and as many new ones before it as the album has grown by."""
    if not known & listing.keys:
        return False
    before = number(memory.get("count"))
    if count is None or before is None:
        return True
    new = next((place for place, key in enumerate(posts) if key in known), len(posts))
    return count - before <= new


def _memory(
    posts: dict[str, Seen], count: int | None, reverse: str, rest: _Place | None, before: dict[str, Any]
) -> dict[str, Any]:
    newest = sorted(posts, key=lambda key: _order(posts[key]), reverse=True)[:REMEMBERED]
    kept = [key for key in before.get("newest") or () if key not in newest]
    memory: dict[str, Any] = {"newest": (newest + kept)[:REMEMBERED], "is_reverse": reverse}
    if count is not None:
        memory["count"] = count
    if rest:
        memory["rest"] = list(rest)
    return memory


def _order(seen: Seen) -> tuple[int, float]:
    time = seen.published_at.timestamp() if seen.published_at else 0.0
    return number(seen.listing.get("pos_num")) or 0, time


def _place(memory: dict[str, Any]) -> _Place | None:
    match memory.get("rest"):
        case [str(msgid), str(itemidx)]:
            return msgid, itemidx
    return None


def _found(posts: dict[str, Seen], memory: dict[str, Any], *, more: bool) -> Found:
    seen = list(posts.values())
    warnings = ("the album is longer than one try; the rest follows at the next.",) if more else ()
    return Found(State.OK, "", tuple(seen), newest_of(seen), memory, warnings)


def read_listing(reply: Reply) -> Listing:
    """A page of the listing, in JSON or as the album's web page; raises Trouble when it is neither."""
    if not reply.error and reply.status == 200 and is_html(reply.body):
        return _from_page(reply)
    answer = json_of(reply)
    ret = number(table(answer.get("base_resp")).get("ret"))
    if ret != 0:
        raise _refusal(ret)
    whole = answer.get("getalbum_resp")
    if not isinstance(whole, dict):
        raise SourceError(State.NOT_UNDERSTOOD, "an answer without getalbum_resp")
    count = number(table(whole.get("base_info")).get("article_count"))
    return _listing(listed(whole.get("article_list")), str(whole.get("continue_flag")) == "1", count)


def _refusal(ret: int | None) -> SourceError:
    if ret == 200013:
        return SourceError(State.RATE_LIMITED, "it was asked too often (200013)")
    if ret is None:
        return SourceError(State.NOT_UNDERSTOOD, "an answer without base_resp.ret")
    return SourceError(State.REFUSED, f"the album cannot be listed (ret {ret}); look whether its id is right")


def _listing(items: list[dict[str, Any]], more: bool, count: int | None) -> Listing:
    items = items[:MOST_LISTED]
    posts = [(_key(item), _seen(item)) for item in items if isinstance(item.get("url"), str)]
    last = (str(items[-1].get("msgid", "")), str(items[-1].get("itemidx", ""))) if items else ("", "")
    return Listing(tuple(posts), more and bool(items) and all(last), last, count)


def _key(item: dict[str, Any]) -> str:
    return f"{item.get('msgid', '')}_{item.get('itemidx', '')}"


def _seen(item: dict[str, Any]) -> Seen:
    return Seen(item["url"], words(item.get("title")), instant(item.get("create_time")), picked(item, _KEPT))


def _from_page(reply: Reply) -> Listing:
    page = album_page(reply.body)
    if page is None:
        raise web_page(reply)
    return _listing(page.items, page.more, page.count)

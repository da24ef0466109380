"""The source `album`: the posts of one album, from its JSON listing or its web page."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from bs4 import BeautifulSoup, Tag

from archive.domain.addresses import HOST
from archive.domain.messages import Message
from crawler.discovery.responses import (
    as_instant,
    as_number,
    as_object,
    as_objects,
    as_text,
    is_web_page,
    json_reply,
    stored_fields,
    web_page_error,
)
from crawler.discovery.source import (
    Discovery,
    Fetch,
    ListedPost,
    Reply,
    SourceError,
    SourceFindings,
    State,
    newest_of,
)
from crawler.parse.js_literals import assignments

MAX_BYTES = 4 * 1024 * 1024  # of a web page; real ones have 0.3 MB

MAX_PAGES = 30  # of one run: 600 posts; the next run continues with the rest of a longer album

PAGE_SIZE = 20  # posts, the most the server gives

MAX_LISTED = 5 * PAGE_SIZE  # of one page; what a response lists beyond is requested as the next page

PAGE_ITEMS = 10  # posts that the web page of an album shows

# After a refusal only the web page is asked for so long: two requests for each listing would be one too many.
PAGE_ONLY = timedelta(days=1)

MAX_REMEMBERED = 40  # keys of the newest posts: two pages, in case the first of them are deleted meanwhile

# Why there is no listing in JSON, though the album's web page may still be served.
_NO_LISTING = ("crawler.album.refused", "crawler.source.field_missing", "crawler.source.not_json")

_STORED = ("key", "msgid", "itemidx", "pos_num", "item_show_type", "create_time", "is_pay_subscribe")

_Position = tuple[str, str]  # msgid and itemidx of the last post listed

_ATTRIBUTES = {"data-link": "url", "data-title": "title", "data-msgid": "msgid", "data-itemidx": "itemidx"}


@dataclass(frozen=True)
class AlbumPage:
    """The posts that an album's web page shows, in the form of the JSON listing."""

    items: list[dict[str, Any]]
    more: bool
    count: int | None


def read_album_page(body: bytes) -> AlbumPage | None:
    """Read an album's web page; None when it is none."""
    if len(body) > MAX_BYTES or b"cgiData" not in body:
        return None
    soup = BeautifulSoup(body, "lxml")
    state = _page_state(soup)
    if not state.get("albumId"):
        return None
    items = [_item(tag) for tag in soup.select("li.js_album_item")]
    scripted = {_key(one): one for one in as_objects(state.get("articleList"))}
    for item in items:
        same = scripted.get(_key(item), {})
        item["create_time"] = same.get("create_time")  # which the list that is shown lacks
    more = as_number(state.get("continue_flag")) == 1
    return AlbumPage(items, more, as_number(state.get("article_count")))


def _page_state(soup: BeautifulSoup) -> dict[str, Any]:
    for script in soup.find_all("script"):
        text = script.get_text()
        if "cgiData" in text:
            for _, value in assignments(text.encode("utf-8", "replace"), frozenset({"cgiData"})):
                return dict(value) if isinstance(value, Mapping) else {}
    return {}


def _item(tag: Tag) -> dict[str, Any]:
    item: dict[str, Any] = {name: str(tag.get(shown, "")) for shown, name in _ATTRIBUTES.items()}
    return item | {"pos_num": str(tag.get("data-pos_num", ""))}


@dataclass(frozen=True)
class Listing:
    """One page of an album: its posts with their keys, in order. `count` is that of the whole album."""

    posts: tuple[tuple[str, ListedPost], ...]
    more: bool
    last: _Position
    count: int | None = None

    @property
    def keys(self) -> set[str]:
        """Return the keys of its posts."""
        return {key for key, _ in self.posts}

    @property
    def oldest_first(self) -> bool:
        """Tell the order by the positions in the album; times of posts added later are out of order."""
        positions = [as_number(post.listing.get("pos_num")) for _, post in self.posts]
        if positions and positions[0] is not None and positions[-1] is not None:
            return positions[0] < positions[-1]
        times = [post.published_at for _, post in self.posts if post.published_at]
        return bool(times) and times[0] < times[-1]


class Album:
    """One album of an account."""

    host = HOST

    def __init__(self, biz: str, album_id: str):
        self.name = f"album:{album_id}"
        self._biz = biz
        self._id = album_id

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List what is new since the last run; all of it the first time, or when one was added in between."""
        posts: dict[str, ListedPost] = {}
        refused = as_time(memory.get("refused_at"))
        if refused and refused <= now < refused + PAGE_ONLY:
            return (yield from self._by_page(memory, refused, None))
        try:
            return (yield from self._walk(memory, posts))
        except SourceError as error:
            if posts or error.message.code not in _NO_LISTING:
                return error.findings(list(posts.values()), memory)
            return (yield from self._by_page(memory, now, error))

    def _by_page(self, memory: dict[str, Any], refused: datetime, reason: SourceError | None) -> Discovery:
        """List what the album's web page shows, after the listing was refused; where it fails, say why."""
        query = {"__biz": self._biz, "action": "getalbum", "album_id": self._id}
        reply = yield Fetch(f"https://{HOST}/mp/appmsgalbum?{urlencode(query)}")
        try:
            listing = read_listing(reply)
        except SourceError as error:
            blocks = error.state in (State.VERIFICATION, State.RATE_LIMITED, State.UNREACHABLE)
            return (error if blocks or reason is None else reason).findings([], memory)
        posts = dict(listing.posts)
        if not posts:
            return (reason or SourceError(State.EMPTY, "crawler.album.empty")).findings([], memory)
        reaches_known = not listing.more or bool(listing.keys & set(memory.get("newest") or ()))
        kept = _memory(posts, listing.count, memory.get("is_reverse") or "0", _rest(memory), memory)
        kept["refused_at"] = refused.isoformat()
        detail = Message("crawler.album.page_only", {"posts": PAGE_ITEMS})
        listed = list(posts.values())
        state = State.OK if reaches_known else State.PARTLY
        return SourceFindings(state, detail, tuple(listed), newest_of(listed), kept)

    def _walk(self, memory: dict[str, Any], posts: dict[str, ListedPost]) -> Discovery:
        listing, reverse = yield from self._first_page(memory)
        posts.update(listing.posts)
        if not posts:
            raise SourceError(State.EMPTY, "crawler.album.empty")
        rest = _rest(memory)
        if listing.more and listing.oldest_first:  # the new ones are at the end
            last = yield from self._pages_from(reverse, rest or listing.last, 1, posts)
            return _findings(posts, _memory(posts, listing.count, reverse, last.last, memory), more=last.more)
        last, pages = yield from self._pages_to_known(reverse, listing, memory, posts)
        if last.more and pages >= MAX_PAGES:
            rest = last.last
        elif not last.more:
            rest = None
        elif rest:
            last = yield from self._pages_from(reverse, rest, pages, posts)
            rest = last.last if last.more else None
        return _findings(posts, _memory(posts, listing.count, reverse, rest, memory), more=rest is not None)

    def _pages_to_known(
        self, reverse: str, listing: Listing, memory: dict[str, Any], posts: dict[str, ListedPost]
    ) -> Generator[Fetch, Reply, tuple[Listing, int]]:
        """List until known posts are reached; returns the last page, and how many pages there were."""
        known, count, pages = set(memory.get("newest") or ()), listing.count, 1
        while listing.more and pages < MAX_PAGES and not _is_enough(listing, posts, known, count, memory):
            listing = yield from self._next_page(reverse, listing.last, posts)
            pages += 1
        return listing, pages

    def _pages_from(
        self, reverse: str, position: _Position, pages: int, posts: dict[str, ListedPost]
    ) -> Generator[Fetch, Reply, Listing]:
        """List from a position as far as one run may; returns the last page."""
        listing = Listing((), True, position)
        while listing.more and pages < MAX_PAGES:
            listing = yield from self._next_page(reverse, listing.last, posts)
            pages += 1
        return listing

    def _next_page(
        self, reverse: str, position: _Position, posts: dict[str, ListedPost]
    ) -> Generator[Fetch, Reply, Listing]:
        """Fetch the page after a position. One that brings nothing is the last, whatever it says."""
        listing = yield from self._page(reverse, position)
        if listing.keys <= posts.keys():
            return Listing(listing.posts, False, listing.last if listing.posts else position, listing.count)
        posts.update(listing.posts)
        return listing

    def _first_page(self, memory: dict[str, Any]) -> Generator[Fetch, Reply, tuple[Listing, str]]:
        """Fetch the first page, newest posts first where the album can be listed so, and the flag for it."""
        reverse = "1" if memory.get("is_reverse") == "1" else "0"
        listing = yield from self._page(reverse)
        if not (listing.more and listing.oldest_first):
            return listing, reverse
        other = "0" if reverse == "1" else "1"
        reversed_listing = yield from self._page(other)
        return (listing, reverse) if reversed_listing.oldest_first else (reversed_listing, other)

    def _page(self, reverse: str, after: _Position | None = None) -> Generator[Fetch, Reply, Listing]:
        query = {"action": "getalbum", "__biz": self._biz, "album_id": self._id, "count": str(PAGE_SIZE)}
        if after:
            query |= {"begin_msgid": after[0], "begin_itemidx": after[1]}
        query |= {"is_reverse": reverse, "f": "json"}
        reply = yield Fetch(f"https://{HOST}/mp/appmsgalbum?{urlencode(query)}")
        return read_listing(reply)


def _is_enough(
    listing: Listing, posts: dict[str, ListedPost], known: set[str], count: int | None, memory: dict[str, Any]
) -> bool:
    """Tell whether a known post is reached, and as many new ones before it as the album has grown by."""
    if not known & listing.keys:
        return False
    before = as_number(memory.get("count"))
    if count is None or before is None:
        return True
    new = next((number for number, key in enumerate(posts) if key in known), len(posts))
    return count - before <= new


def _memory(
    posts: dict[str, ListedPost],
    count: int | None,
    reverse: str,
    rest: _Position | None,
    before: dict[str, Any],
) -> dict[str, Any]:
    newest = sorted(posts, key=lambda key: _order(posts[key]), reverse=True)[:MAX_REMEMBERED]
    older = [key for key in before.get("newest") or () if key not in newest]
    memory: dict[str, Any] = {"newest": (newest + older)[:MAX_REMEMBERED], "is_reverse": reverse}
    if count is not None:
        memory["count"] = count
    if rest:
        memory["rest"] = list(rest)
    return memory


def _order(post: ListedPost) -> tuple[int, float]:
    time = post.published_at.timestamp() if post.published_at else 0.0
    return as_number(post.listing.get("pos_num")) or 0, time


def as_time(text: Any) -> datetime | None:
    """Return an instant of a memory; None where there is none."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _rest(memory: dict[str, Any]) -> _Position | None:
    """Return the position where the last run stopped, if it did."""
    match memory.get("rest"):
        case [str(msgid), str(itemidx)]:
            return msgid, itemidx
    return None


def _findings(posts: dict[str, ListedPost], memory: dict[str, Any], *, more: bool) -> SourceFindings:
    listed = list(posts.values())
    warnings = (Message("crawler.album.longer"),) if more else ()
    return SourceFindings(State.OK, None, tuple(listed), newest_of(listed), memory, warnings)


def read_listing(reply: Reply) -> Listing:
    """Read a page of the listing, in JSON or as a web page. Raises SourceError when it is neither."""
    if not reply.error and reply.status == 200 and is_web_page(reply.body):
        page = read_album_page(reply.body)
        if page is None:
            raise web_page_error(reply)
        return _listing(page.items, page.more, page.count)
    answer = json_reply(reply)
    ret = as_number(as_object(answer.get("base_resp")).get("ret"))
    if ret != 0:
        raise _refusal(ret)
    album = answer.get("getalbum_resp")
    if not isinstance(album, dict):
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.source.field_missing", field="getalbum_resp")
    count = as_number(as_object(album.get("base_info")).get("article_count"))
    return _listing(as_objects(album.get("article_list")), str(album.get("continue_flag")) == "1", count)


def _refusal(ret: int | None) -> SourceError:
    if ret == 200013:
        return SourceError(State.RATE_LIMITED, "crawler.source.too_often", number=ret)
    if ret is None:
        return SourceError(State.NOT_UNDERSTOOD, "crawler.source.field_missing", field="base_resp.ret")
    return SourceError(State.REFUSED, "crawler.album.refused", number=ret)


def _key(item: dict[str, Any]) -> str:
    return f"{item.get('msgid', '')}_{item.get('itemidx', '')}"


def _listing(items: list[dict[str, Any]], more: bool, count: int | None) -> Listing:
    posts, items = [], items[:MAX_LISTED]
    for item in items:
        url = item.get("url")
        published, listing = as_instant(item.get("create_time")), stored_fields(item, _STORED)
        post = ListedPost(url if isinstance(url, str) else "", as_text(item.get("title")), published, listing)
        posts.append((_key(item), post))  # without an address too: the screening counts it
    last = (str(items[-1].get("msgid", "")), str(items[-1].get("itemidx", ""))) if items else ("", "")
    return Listing(tuple(posts), more and bool(items) and all(last), last, count)

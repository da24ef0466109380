"""The source `own_backend`: the account's back-end at mp.weixin.qq.com, with the operator's own login."""

import json
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from archive.domain.addresses import HOST
from archive.domain.errors import MessageError
from archive.domain.messages import Message
from crawler.discovery.responses import (
    as_instant,
    as_number,
    as_object,
    as_objects,
    as_text,
    json_reply,
    nested_json,
    post_key,
    stored_fields,
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

LOGIN_LIFE = timedelta(days=4)  # of a login, as people report

WARNING_TIME = timedelta(days=1)  # before its end: somebody has to scan a code with a telephone

MAX_PAGES = 30  # of one run: 150 pushes, half a year of a busy account

PAGE_SIZE = 5  # pushes, what the back-end's own page requests

MAX_REMEMBERED = 40  # keys of the newest posts

_LINE = re.compile(r"^\s*([A-Za-z_]+)\s*[:=]\s*(.+?)\s*$", re.MULTILINE)

_ACCOUNT_NUMBER = re.compile(r"(?:^|;)\s*(?:slave_bizuin|data_bizuin|bizuin)=(\d+)")

_STORED = ("aid", "appmsgid", "itemidx", "item_show_type", "create_time", "update_time", "album_id", "digest")

_ERRORS = {  # the back-end's values of base_resp.ret
    200003: (State.LOGIN_EXPIRED, "crawler.backend.login_expired"),
    200040: (State.BAD_TOKEN, "crawler.backend.bad_token"),
    200002: (State.REFUSED, "crawler.backend.bad_arguments"),
}

_TOO_OFTEN = 200013


class LoginError(MessageError):
    """The text is not a login. The message holds none of it."""


@dataclass(frozen=True)
class Login:
    """A cookie and the token that belongs to it. `ends` is an aware UTC instant, None where it is unknown."""

    cookie: str = field(repr=False)
    token: str = field(repr=False)
    ends: datetime | None = None

    def is_of(self, biz: str) -> bool | None:
        """Tell whether it is a login of this very account; None when the cookie does not say."""
        numbers = set(_ACCOUNT_NUMBER.findall(self.cookie))
        own = _account_number(biz)
        return own in numbers if numbers and own else None

    def warning(self, now: datetime) -> Message | None:
        """Return a warning about its end; None while there is time."""
        if self.ends is None or self.ends - now > WARNING_TIME:
            return None
        if self.ends <= now:
            return Message("crawler.backend.login_too_old")
        hours = int((self.ends - now).total_seconds() // 3600)
        return Message("crawler.backend.login_ends", {"hours": hours})


def _account_number(biz: str) -> str:
    try:
        return b64decode(biz, validate=True).decode("ascii")
    except (NotBase64, ValueError):
        return ""


def read_login(text: str, written_at: datetime | None = None) -> Login:
    """Read `{"cookie": …, "token": …}`, or lines `cookie: …` and `token: …`. Raises LoginError.

    `ends`, an ISO date with time, may stand with them; otherwise a login lasts LOGIN_LIFE from `written_at`.
    """
    values = _login_values(text)
    cookie, token = str(values.get("cookie") or "").strip(), str(values.get("token") or "").strip()
    missing = [name for name, value in {"cookie": cookie, "token": token}.items() if not value]
    if missing:
        raise LoginError("crawler.backend.login_incomplete", missing=missing)
    if not re.fullmatch(r"\d{1,20}", token):
        raise LoginError("crawler.backend.token_not_number")
    if re.search(r"[\x00-\x1f\x7f]", cookie) or not cookie.isascii():
        raise LoginError("crawler.backend.cookie_characters")
    ends = _read_end(values.get("ends"))
    return Login(cookie, token, ends or (written_at + LOGIN_LIFE if written_at else None))


def _login_values(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = {name.lower(): value for name, value in _LINE.findall(text)}
    return value if isinstance(value, dict) else {}


def _read_end(text: Any) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise LoginError("crawler.backend.end_not_date") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class OwnBackend:
    """`appmsgpublish`, and the older `appmsg?action=list_ex` where that is refused or not understood."""

    name = "own_backend"
    host = HOST

    def __init__(self, biz: str, login: Login | None, problem: Message | None = None):
        self._biz = biz
        self._login = login
        self._problem = problem

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List what is new since the last run."""
        if self._login is None:
            problem = self._problem or Message("crawler.backend.no_login")
            return SourceFindings(State.NOT_CONFIGURED, problem, memory=memory)
        warning = self._login.warning(now)
        warnings = (warning,) if warning else ()
        posts: list[ListedPost] = []
        try:
            yield from self._list(self._login, memory, posts)
        except SourceError as error:
            return error.findings(posts, memory, warnings)
        if not posts:
            empty = Message("crawler.backend.empty")
            return SourceFindings(State.EMPTY, empty, memory=memory, warnings=warnings)
        newest = [post_key(post.url) for post in posts[:MAX_REMEMBERED]]
        memory = {"newest": newest, "listed": True}
        return SourceFindings(State.OK, None, tuple(posts), newest_of(posts), memory, warnings)

    def _list(
        self, login: Login, memory: dict[str, Any], posts: list[ListedPost]
    ) -> Generator[Fetch, Reply, None]:
        try:
            yield from self._pages(login, memory, posts, _PUBLISHED)
        except SourceError as error:
            if posts or error.state not in (State.REFUSED, State.NOT_UNDERSTOOD):
                raise
            try:
                yield from self._pages(login, memory, posts, _OLDER)
            except SourceError:
                raise error from None  # the error of the current list says more than that of the older one

    def _pages(
        self, login: Login, memory: dict[str, Any], posts: list[ListedPost], endpoint: "_Endpoint"
    ) -> Generator[Fetch, Reply, None]:
        """List page after page, newest first, to the end or to a post that was listed at the last run.

        A page that brings nothing new is the end too: some return the same page for every position.
        """
        known, listed = set(memory.get("newest") or ()), set[str]()
        for page in range(MAX_PAGES):
            url = f"https://{HOST}{endpoint.path}?{urlencode(endpoint.query | self._query(login, page))}"
            answer = json_reply((yield Fetch(url, headers=_headers(login), secret=True, follow=False)))
            self._check(answer, login, memory)
            pushes = endpoint.pushes(answer)
            found = [post for push in pushes for post in push]
            posts.extend(found)
            keys = {post_key(post.url) for post in found}
            if not pushes or keys & known or (keys and keys <= listed):
                return
            listed |= keys

    def _query(self, login: Login, page: int) -> dict[str, str]:
        position = {"begin": str(page * PAGE_SIZE), "count": str(PAGE_SIZE), "query": "", "fakeid": self._biz}
        return position | {"token": login.token, "lang": "zh_CN", "f": "json", "ajax": "1"}

    def _check(self, answer: dict[str, Any], login: Login, memory: dict[str, Any]) -> None:
        """Raise SourceError when the answer is an error."""
        base = as_object(answer.get("base_resp"))
        ret = as_number(base.get("ret"))
        if ret == 0:
            return
        if ret == _TOO_OFTEN:
            raise self._too_often(login, memory)
        if ret in _ERRORS:
            raise SourceError(*_ERRORS[ret])
        text = as_text(base.get("err_msg"))[:100]
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.source.unknown_error", number=ret, text=text)

    def _too_often(self, login: Login, memory: dict[str, Any]) -> SourceError:
        """Return what 200013 means: "too often" to an account that lists itself, "never again" to others."""
        is_own = login.is_of(self._biz)
        if is_own or (is_own is None and memory.get("listed")):
            return SourceError(State.RATE_LIMITED, "crawler.source.too_often", number=_TOO_OFTEN)
        return SourceError(State.CLOSED, "crawler.backend.closed")


def _headers(login: Login) -> tuple[tuple[str, str], ...]:
    return (
        ("Cookie", login.cookie),
        ("Referer", f"https://{HOST}/"),
        ("X-Requested-With", "XMLHttpRequest"),
        ("Accept", "application/json"),
    )


@dataclass(frozen=True)
class _Endpoint:
    """One of the back-end's two lists. `pushes` gives the posts of each push; no push at all is the end."""

    path: str
    query: dict[str, str]
    pushes: Callable[[dict[str, Any]], list[list[ListedPost]]]


def _published_pushes(answer: dict[str, Any]) -> list[list[ListedPost]]:
    page = nested_json(answer.get("publish_page"))
    if not isinstance(page, dict):
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.source.field_missing", field="publish_page")
    return [_push(push) for push in as_objects(page.get("publish_list"))]


def _push(push: dict[str, Any]) -> list[ListedPost]:
    info = as_object(nested_json(push.get("publish_info")))  # an empty string where nothing was published
    return _posts(as_objects(info.get("appmsgex")) or as_objects(info.get("appmsg_info")))


def _older_pushes(answer: dict[str, Any]) -> list[list[ListedPost]]:
    if "app_msg_list" not in answer:
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.source.field_missing", field="app_msg_list")
    posts = _posts(as_objects(answer["app_msg_list"]))
    return [posts] if posts else []


def _posts(items: list[dict[str, Any]]) -> list[ListedPost]:
    posts = []
    for item in items:
        url = item.get("link") or item.get("content_url")
        if not isinstance(url, str) or not url or item.get("is_deleted") in (True, 1, "1", "true"):
            continue
        published = as_instant(item.get("create_time")) or as_instant(item.get("update_time"))
        title, listing = as_text(item.get("title")), stored_fields(item, _STORED)
        posts.append(ListedPost(url, title, published, listing))
    return posts


_PUBLISHED = _Endpoint(
    "/cgi-bin/appmsgpublish",
    {
        "sub": "list",
        "search_field": "null",
        "type": "101_1",
        "free_publish_type": "1",
        "sub_action": "list_ex",
    },
    _published_pushes,
)

_OLDER = _Endpoint("/cgi-bin/appmsg", {"action": "list_ex", "type": "9"}, _older_pushes)

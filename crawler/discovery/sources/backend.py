"""The operator's own login to an account's back-end, as it is written down for us, and how long it lasts."""

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
from crawler.discovery.responses import instant, json_of, key_of, listed, loaded, number, picked, table, words
from crawler.discovery.source import Ask, Discovery, Found, Reply, Seen, SourceError, State, newest_of

LIFE = timedelta(days=4)  # of a login, as people report

WARNED = timedelta(days=1)  # before its end: somebody has to find a telephone and scan a code

_LINE = re.compile(r"^\s*([A-Za-z_]+)\s*[:=]\s*(.+?)\s*$", re.MULTILINE)

_NUMBER = re.compile(r"(?:^|;)\s*(?:slave_bizuin|data_bizuin|bizuin)=(\d+)")


class LoginError(Exception):
    """What was written down is no login; one sentence without any of it."""


@dataclass(frozen=True)
class Login:
    """A cookie and the token that belongs to it. `ends` is an aware UTC instant, None where nothing tells."""

    cookie: str = field(repr=False)
    token: str = field(repr=False)
    ends: datetime | None = None

    def is_of(self, biz: str) -> bool | None:
        """Whether it is a login of this very account; None when the cookie does not tell."""
        numbers = set(_NUMBER.findall(self.cookie))
        mine = _number_of(biz)
        return mine in numbers if numbers and mine else None

    def warning(self, now: datetime) -> str:
        """What to say about its end; empty while there is time."""
        if self.ends is None or self.ends - now > WARNED:
            return ""
        if self.ends <= now:
            return "the login is older than logins last and will end any moment; sign in again now."
        hours = int((self.ends - now).total_seconds() // 3600)
        return f"the login ends in about {hours} h; sign in again and put the new cookie and token in place."


def _number_of(biz: str) -> str:
    try:
        return b64decode(biz, validate=True).decode("ascii")
    except (NotBase64, ValueError):
        return ""


def read_login(text: str, written_at: datetime | None = None) -> Login:
    """Read `{"cookie": …, "token": …}`, or lines `cookie: …` and `token: …`. Raises LoginError.

    `ends`, an ISO date with time, may stand with them; otherwise a login lasts LIFE from `written_at`.
    """
    told = _told(text)
    cookie, token = str(told.get("cookie") or "").strip(), str(told.get("token") or "").strip()
    missing = [name for name, value in {"cookie": cookie, "token": token}.items() if not value]
    if missing:
        raise LoginError(
            f'the login has no {" and no ".join(missing)}; write {{"cookie": …, "token": …}}, '
            "or one line for each"
        )
    if not re.fullmatch(r"\d{1,20}", token):
        raise LoginError("the token of the login is no number; copy what stands after token= in the address")
    if re.search(r"[\x00-\x1f\x7f]", cookie) or not cookie.isascii():
        raise LoginError("the cookie of the login holds a line break or another character no cookie has")
    ends = _ends(told.get("ends"))
    return Login(cookie, token, ends or (written_at + LIFE if written_at else None))


def _told(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = {name.lower(): value for name, value in _LINE.findall(text)}
    return value if isinstance(value, dict) else {}


def _ends(text: Any) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise LoginError("`ends` of the login is no date and time like 2026-11-28T09:00+08:00") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


PAGES = 30  # of one try: 150 pushes, half a year of a busy account

COUNT = 5  # pushes a page, what the back-end's own page asks for

REMEMBERED = 40  # addresses of the newest posts

_KEPT = ("aid", "appmsgid", "itemidx", "item_show_type", "create_time", "update_time", "album_id", "digest")

_REFUSALS = {
    200003: (State.LOGIN_EXPIRED, "the login has expired (200003)"),
    200040: (State.BAD_TOKEN, "the token does not belong to the cookie (200040)"),
    200002: (
        State.REFUSED,
        "the arguments are refused (200002): the login is a mini-program's, or the account has switched off "
        "being found by its name",
    ),
}

_FREQUENCY = 200013


class OwnBackend:
    """`appmsgpublish`, and the older `appmsg?action=list_ex` where that is refused or not understood."""

    name = "own_backend"
    host = HOST

    def __init__(self, biz: str, login: Login | None, problem: str = ""):
        self._biz = biz
        self._login = login
        self._problem = problem

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List what is new since the last try."""
        if self._login is None:
            return Found(State.NOT_CONFIGURED, self._problem or "no login is given", memory=memory)
        warnings = tuple(filter(None, [self._login.warning(now)]))
        seen: list[Seen] = []
        try:
            yield from self._list(self._login, memory, seen)
        except SourceError as trouble:
            return trouble.found(seen, memory, warnings)
        if not seen:
            return Found(State.EMPTY, "the back-end lists no posts", memory=memory, warnings=warnings)
        kept = {"newest": [key_of(one.url) for one in seen[:REMEMBERED]], "listed": True}
        return Found(State.OK, "", tuple(seen), newest_of(seen), kept, warnings)

    def _list(self, login: Login, memory: dict[str, Any], seen: list[Seen]) -> Generator[Ask, Reply, None]:
        try:
            yield from self._pages(login, memory, seen, _PUBLISHED)
        except SourceError as trouble:
            if seen or trouble.state not in (State.REFUSED, State.NOT_UNDERSTOOD):
                raise
            try:
                yield from self._pages(login, memory, seen, _LISTED)
            except SourceError:
                raise trouble from None  # what the list of today says, not that of yesterday

    def _pages(
        self, login: Login, memory: dict[str, Any], seen: list[Seen], way: "_Way"
    ) -> Generator[Ask, Reply, None]:
        """Page after page, newest first, to the end or to a post that was listed last time.

        A page that brings nothing new is the end too: some answer whatever place they are asked for.
        """
        known, listed = set(memory.get("newest") or ()), set[str]()
        for page in range(PAGES):
            url = f"https://{HOST}{way.path}?{urlencode(way.query | self._query(login, page))}"
            answer = json_of((yield Ask(url, headers=_headers(login), secret=True, follow=False)))
            self._check(answer, login, memory)
            pushes = way.pushes(answer)
            posts = [post for push in pushes for post in push]
            seen.extend(posts)
            keys = {key_of(post.url) for post in posts}
            if not pushes or keys & known or (keys and keys <= listed):
                return
            listed |= keys

    def _query(self, login: Login, page: int) -> dict[str, str]:
        place = {"begin": str(page * COUNT), "count": str(COUNT), "query": "", "fakeid": self._biz}
        return place | {"token": login.token, "lang": "zh_CN", "f": "json", "ajax": "1"}

    def _check(self, answer: dict[str, Any], login: Login, memory: dict[str, Any]) -> None:
        base = table(answer.get("base_resp"))
        ret = number(base.get("ret"))
        if ret == 0:
            return
        if ret == _FREQUENCY:
            raise self._frequency(login, memory)
        if ret in _REFUSALS:
            raise SourceError(*_REFUSALS[ret])
        message = words(base.get("err_msg"))[:100]
        raise SourceError(State.NOT_UNDERSTOOD, f"ret {ret} {message}".strip())

    def _frequency(self, login: Login, memory: dict[str, Any]) -> SourceError:
        """200013 means "too often" only to an account that lists itself; to all others, "never again"."""
        is_own = login.is_of(self._biz)
        if is_own or (is_own is None and memory.get("listed")):
            return SourceError(State.RATE_LIMITED, "it was asked too often (200013)")
        return SourceError(
            State.CLOSED, "the back-end no longer lists other accounts than the login's own (200013)"
        )


def _headers(login: Login) -> tuple[tuple[str, str], ...]:
    return (
        ("Cookie", login.cookie),
        ("Referer", f"https://{HOST}/"),
        ("X-Requested-With", "XMLHttpRequest"),
        ("Accept", "application/json"),
    )


@dataclass(frozen=True)
class _Way:
    """One of the back-end's two lists. `pushes` gives the posts of each push; no push at all is the end."""

    path: str
    query: dict[str, str]
    pushes: Callable[[dict[str, Any]], list[list[Seen]]]


def _published(answer: dict[str, Any]) -> list[list[Seen]]:
    page = loaded(answer.get("publish_page"))
    if not isinstance(page, dict):
        raise SourceError(State.NOT_UNDERSTOOD, "an answer without publish_page")
    return [_push(push) for push in listed(page.get("publish_list"))]


def _push(push: dict[str, Any]) -> list[Seen]:
    info = table(loaded(push.get("publish_info")))  # an empty string where nothing was published after all
    return _posts(listed(info.get("appmsgex")) or listed(info.get("appmsg_info")))


def _listed(answer: dict[str, Any]) -> list[list[Seen]]:
    if "app_msg_list" not in answer:
        raise SourceError(State.NOT_UNDERSTOOD, "an answer without app_msg_list")
    posts = _posts(listed(answer["app_msg_list"]))
    return [posts] if posts else []


def _posts(items: list[dict[str, Any]]) -> list[Seen]:
    return [_seen(item) for item in items if _url(item) and not _is_deleted(item)]


def _url(item: dict[str, Any]) -> str:
    link = item.get("link") or item.get("content_url")
    return link if isinstance(link, str) else ""


def _is_deleted(item: dict[str, Any]) -> bool:
    return item.get("is_deleted") in (True, 1, "1", "true")


def _seen(item: dict[str, Any]) -> Seen:
    published = instant(item.get("create_time")) or instant(item.get("update_time"))
    return Seen(_url(item), words(item.get("title")), published, picked(item, _KEPT))


_PUBLISHED = _Way(
    "/cgi-bin/appmsgpublish",
    {
        "sub": "list",
        "search_field": "null",
        "type": "101_1",
        "free_publish_type": "1",
        "sub_action": "list_ex",
    },
    _published,
)

_LISTED = _Way("/cgi-bin/appmsg", {"action": "list_ex", "type": "9"}, _listed)

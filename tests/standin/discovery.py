"""Where an account's posts are listed: its back-end, WeChat's interface, feeds and, for its faults, albums.

Whoever asks the back-end or the interface needs the invented login or secret below.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from tests.standin.account import COMMISSION, NEIGHBOUR, Post
from tests.standin.album import album_json
from tests.standin.site import HTML, Answer, Site
from tests.standin.weread import FAULTS as WEREAD_FAULTS
from tests.standin.weread import GATEWAY_HOST, Call, WeRead
from tests.standin.weread import HOST as WEREAD_HOST
from tests.standin.wire import pack

COOKIE = (
    f"slave_user={COMMISSION.user_name}; slave_bizuin={COMMISSION.bizuin}; data_ticket=synthetic-cookie-4f1c"
)
TOKEN = "1029384756"
APPID, SECRET, ACCESS_TOKEN = "wx5f00d0000000001f", "synthetic-appsecret-9e2d", "synthetic-access-token-77ab"
FAULTS = (
    "hang",  # no answer, ever
    "huge", "html", "login", "garbage", "empty", "verification",  # another answer
    "closed", "expired", "bad_token", "refused",  # the back-end's errors
    "ip",  # the interface's error for an address that is not in the white list
    "strings", "foreign", "future",  # the listing, with numbers as strings, of another account, of tomorrow
)  # fmt: skip
_RETS = {"closed": 200013, "expired": 200003, "bad_token": 200040, "refused": 200002}
_JSON = "application/json; charset=UTF-8"
_LOGIN_PAGE = "<!DOCTYPE html><html><body><p>登录超时，请<a href='/'>重新登录</a></p></body></html>"
_SOME_PAGE = "<!DOCTYPE html><html><head><title>合成</title></head><body>nothing here</body></html>"
_OTHER_HOST = "/_host/"


@dataclass(frozen=True)
class Asking:
    """One request: path and query of the stand-in, headers by lower-case name."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Listings:
    """All listings of one stand-in."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._faults: dict[str, str] = {}
        self.weread = WeRead()

    def strike(self, source: str, fault: str | None) -> None:
        """From now on album, backend, official, feed, weread or weread_agent is struck, or well again."""
        known = (*FAULTS, *WEREAD_FAULTS) if source.startswith("weread") else FAULTS
        if fault is not None and fault not in known:
            raise ValueError(f"no such fault: {fault!r}; one of {', '.join(known)}")
        self._faults.pop(source, None)
        if fault:
            self._faults[source] = fault

    def kind(self, path: str) -> str:
        """Which kind of source lives at a path; empty where none does, or an album that is well."""
        if path in ("/cgi-bin/appmsgpublish", "/cgi-bin/appmsg"):
            return "backend"
        if path.startswith(f"{_OTHER_HOST}api.weixin.qq.com/"):
            return "official"
        if path.startswith(f"{_OTHER_HOST}{GATEWAY_HOST}/"):
            return "weread_agent"
        if path.startswith(f"{_OTHER_HOST}{WEREAD_HOST}/"):
            return "weread"
        if path.startswith(_OTHER_HOST) and path.split("/")[3:4] in (["feeds"], ["go"]):
            return "feed"
        return "album" if path == "/mp/appmsgalbum" and "album" in self._faults else ""

    def on_the_wire(self, path: str) -> str:
        """Return the fault that is not in the content: hang or huge; empty otherwise."""
        fault = self._faults.get(self.kind(path), "")
        return fault if fault in ("hang", "huge") else ""

    def answer(self, asking: Asking) -> Answer:
        """Return what is listed, changed by the fault if there is one."""
        kind = self.kind(asking.path)
        fault = self._faults.get(kind, "")
        if fault in _REPLACED:
            return _REPLACED[fault]()
        if fault == "verification":
            return self._site.challenge(asking.path)
        if kind.startswith("weread"):
            return self._weread(asking, fault)
        if fault in _RETS and kind != "official":
            return _json({"base_resp": {"ret": _RETS[fault], "err_msg": f"synthetic {fault}"}})
        posts = _struck([post for post in self._site.posts() if post.account == COMMISSION], fault)
        return getattr(self, f"_{kind}")(asking, posts, fault)

    def _weread(self, asking: Asking, fault: str) -> Answer:
        host, slash, rest = asking.path.removeprefix(_OTHER_HOST).partition("/")
        posts = _struck(self._site.posts(), fault)
        call = Call(host, slash + rest, asking.query, asking.headers, asking.body, posts, fault)
        return self.weread.answer(call)

    def _album(self, asking: Asking, posts: Sequence[Post], fault: str) -> Answer:
        album = [post for post in posts if post.album == asking.query.get("album_id")]
        return Answer(pack([album_json(album, asking.query)]), content_type=_JSON)

    def _backend(self, asking: Asking, posts: Sequence[Post], fault: str) -> Answer:
        if asking.headers.get("cookie") != COOKIE:
            return _json({"base_resp": {"ret": 200003, "err_msg": "invalid session"}})
        if asking.query.get("token") != TOKEN:
            return _json({"base_resp": {"ret": 200040, "err_msg": "invalid csrf token"}})
        if asking.query.get("fakeid") != COMMISSION.biz:
            return _json({"base_resp": {"ret": 200013, "err_msg": "freq control"}})
        pushes = _pushes(posts)
        begin, count = int(asking.query["begin"]), int(asking.query["count"])
        shown = pushes[begin : begin + count]
        if asking.path.endswith("appmsg"):
            items = [_backend_item(post) for push in shown for post in push]
            answer: dict[str, Any] = {"app_msg_cnt": len(posts), "app_msg_list": items}
        else:
            entries = [_published(push) for push in shown]
            if begin == 0:  # something that was not published after all
                entries.insert(1, {"publish_type": 1, "publish_info": ""})
            page = {"total_count": len(pushes), "publish_list": entries}
            answer = {"publish_page": json.dumps(page, ensure_ascii=False)}
        answer["base_resp"] = {"ret": 0, "err_msg": "ok"}
        return _json(_as_strings(answer) if fault == "strings" else answer)

    def _official(self, asking: Asking, posts: Sequence[Post], fault: str) -> Answer:
        given = json.loads(asking.body or b"{}")
        if fault == "ip":
            return _json({"errcode": 40164, "errmsg": "invalid ip 192.0.2.7, not in whitelist"})
        if asking.path.endswith("/stable_token"):
            if (given.get("appid"), given.get("secret")) != (APPID, SECRET):
                return _json({"errcode": 40001, "errmsg": "invalid credential"})
            return _json({"access_token": ACCESS_TOKEN, "expires_in": 7200})
        if asking.query.get("access_token") != ACCESS_TOKEN:
            return _json({"errcode": 40001, "errmsg": "invalid credential"})
        pushes = _pushes(posts)
        shown = pushes[given["offset"] : given["offset"] + given["count"]]
        items = [_official_item(push) for push in shown]
        return _json({"total_count": len(pushes), "item_count": len(items), "item": items})

    def _feed(self, asking: Asking, posts: Sequence[Post], fault: str) -> Answer:
        _, _, host, place, name = asking.path.split("/", 4)
        if place == "go":  # a reader's own address, which leads on
            found = next((post for post in posts if post.token == name), None)
            return Answer(pack([b""]), 302, headers=(("Location", found.short_url if found else "/"),))
        form = name.rpartition(".")[2]
        entries = [
            (post, _link(post, asking.query.get("links", "long"), host))
            for post in sorted(posts, key=lambda post: (post.created, -post.idx), reverse=True)[:20]
        ]
        content_type, write = _FORMS[form]
        body = write(entries).encode()
        mark = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if asking.headers.get("if-none-match") == mark:
            return Answer(pack([b""]), 304, content_type, (("ETag", mark),))
        return Answer(pack([body]), 200, content_type, (("ETag", mark),))


def asking(path: str, query: str, headers: Mapping[str, str], body: bytes) -> Asking:
    """Return a request from its parts."""
    return Asking(path, dict(parse_qsl(query, keep_blank_values=True)), headers, body)


def _struck(posts: Sequence[Post], fault: str) -> list[Post]:
    """Return posts as a fault lists them: of another account, or with a future date."""
    if fault == "foreign":
        return [replace(post, account=NEIGHBOUR) for post in posts]
    if fault == "future":
        return [replace(post, created=datetime(2090, 1, 1, tzinfo=UTC)) for post in posts]
    return list(posts)


def _json(value: Any) -> Answer:
    return Answer(pack([json.dumps(value, ensure_ascii=False).encode()]), content_type=_JSON)


def _as_strings(value: Any) -> Any:
    """Every number written as a string."""
    if isinstance(value, dict):
        return {key: _as_strings(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_strings(inner) for inner in value]
    return str(value) if isinstance(value, int) else value


def _pushes(posts: Sequence[Post]) -> list[list[Post]]:
    """Return posts by push, newest first."""
    pushes: dict[int, list[Post]] = {}
    for post in sorted(posts, key=lambda post: (-post.timestamp, -post.mid, post.idx)):
        pushes.setdefault(post.mid, []).append(post)
    return list(pushes.values())


def _backend_item(post: Post) -> dict[str, Any]:
    return {
        "aid": post.aid,
        "appmsgid": post.mid,
        "itemidx": post.idx,
        "title": post.shown_title,
        "digest": post.digest,
        "link": post.url,
        "create_time": post.timestamp,
        "update_time": post.timestamp,
        "item_show_type": 0,
        "is_deleted": False,
    }


def _published(push: Sequence[Post]) -> dict[str, Any]:
    gone = {**_backend_item(push[0]), "aid": "1_9", "is_deleted": True, "link": f"{push[0].short_url}gone"}
    items = [*(_backend_item(post) for post in push), gone]
    info = {"type": 9, "msgid": push[0].mid, "appmsgex": items}
    return {"publish_type": 101, "publish_info": json.dumps(info, ensure_ascii=False)}


def _official_item(push: Sequence[Post]) -> dict[str, Any]:
    news = [{"title": post.shown_title, "url": post.url, "is_deleted": False} for post in push]
    content = {"news_item": news, "create_time": push[0].timestamp, "update_time": push[0].timestamp}
    return {"article_id": f"synthetic-{push[0].mid}", "content": content, "update_time": push[0].timestamp}


def _link(post: Post, form: str, host: str) -> str:
    return {
        "long": post.url,
        "short": post.short_url,
        "go": f"https://{host}/go/{post.token}",
    }[form]


Entries = Sequence[tuple[Post, str]]


def _rss(entries: Entries) -> str:
    items = "".join(
        f"<item><title>{escape(post.shown_title)}</title><link>{escape(link)}</link>"
        f"<guid>{post.aid}</guid><pubDate>{format_datetime(post.created)}</pubDate></item>"
        for post, link in entries
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>合成</title>{items}</channel></rss>'


def _atom(entries: Entries) -> str:
    items = "".join(
        f'<entry><title>{escape(post.shown_title)}</title><link href="{escape(link)}"/><id>{post.aid}</id>'
        f"<published>{post.created.isoformat()}</published></entry>"
        for post, link in entries
    )
    return f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>合成</title>{items}</feed>'


def _json_feed(entries: Entries) -> str:
    items = [
        {"id": post.aid, "url": link, "title": post.shown_title, "date_published": post.created.isoformat()}
        for post, link in entries
    ]
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "合成", "items": items}
    return json.dumps(feed, ensure_ascii=False)


_FORMS: dict[str, tuple[str, Callable[[Entries], str]]] = {
    "rss": ("application/rss+xml; charset=utf-8", _rss),
    "atom": ("application/atom+xml; charset=utf-8", _atom),
    "json": ("application/feed+json; charset=utf-8", _json_feed),
}
_REPLACED: dict[str, Callable[[], Answer]] = {
    "html": lambda: Answer(pack([_SOME_PAGE.encode()]), content_type=HTML),
    "login": lambda: Answer(pack([_LOGIN_PAGE.encode()]), content_type=HTML),
    "garbage": lambda: Answer(pack([bytes(range(256)) * 20]), content_type=_JSON),
    "empty": lambda: Answer(pack([b""]), content_type=_JSON),
}

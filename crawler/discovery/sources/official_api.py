"""The source `official`: WeChat's own interface for the operator of an account, with AppID and secret."""

import json
from collections.abc import Generator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from crawler.discovery.responses import instant, json_of, key_of, listed, number, picked, table, words
from crawler.discovery.source import Ask, Discovery, Found, Reply, Seen, SourceError, State, newest_of

API_HOST = "api.weixin.qq.com"

PAGES = 30  # of one try: 600 posts

COUNT = 20  # posts a page, the most the interface gives

REMEMBERED = 40

_KEPT = ("author", "digest", "need_open_comment", "thumb_media_id")

_JSON = (("Content-Type", "application/json; charset=utf-8"), ("Accept", "application/json"))

_REFUSALS = {
    40001: (State.REFUSED, "the AppSecret is not that of this AppID, or no longer (40001)"),
    40002: (State.REFUSED, "the grant type is not known (40002)"),
    40013: (State.REFUSED, "there is no such AppID (40013)"),
    40125: (State.REFUSED, "the AppSecret is wrong (40125); it may have been reset"),
    40164: (
        State.REFUSED,
        "this machine's address is not in the account's IP white list (40164); add it under "
        "设置与开发 → 开发接口管理 → IP白名单",
    ),
    40243: (State.REFUSED, "the AppSecret is frozen (40243); unfreeze it in the account's settings"),
    42001: (
        State.REFUSED,
        "the access token ran out at once (42001); look whether another program resets it",
    ),
    48001: (
        State.REFUSED,
        "the account has no right to this interface (48001): only verified accounts do; use own_backend",
    ),
    50007: (State.REFUSED, "the account is frozen (50007)"),
    45009: (State.RATE_LIMITED, "the day's calls are used up (45009)"),
    45011: (State.RATE_LIMITED, "it was asked too often (45011)"),
    89503: (State.REFUSED, "the account's administrator has to confirm this machine's address (89503)"),
    -1: (State.UNREACHABLE, "WeChat's system is busy (-1)"),
}


class Official:
    """`freepublish/batchget`. The access token is asked for at each try: it is the same while it is valid."""

    name = "official"
    host = API_HOST

    def __init__(self, appid: str, secret: str, problem: str = ""):
        self._appid = appid
        self._secret = secret
        self._problem = problem

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Official({self._appid!r})"

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List what is new since the last try."""
        if not self._secret:
            return Found(State.NOT_CONFIGURED, self._problem or "no secret is given", memory=memory)
        seen: list[Seen] = []
        try:
            yield from self._list(set(memory.get("newest") or ()), seen)
        except SourceError as trouble:
            return trouble.found(seen, memory)
        if not seen:
            return Found(State.EMPTY, "the interface lists no published posts", memory=memory)
        return Found(
            State.OK,
            "",
            tuple(seen),
            newest_of(seen),
            {"newest": [key_of(one.url) for one in seen[:REMEMBERED]]},
        )

    def _list(self, known: set[str], seen: list[Seen]) -> Generator[Ask, Reply, None]:
        token = yield from self._token()
        for page in range(PAGES):
            place = {"offset": page * COUNT, "count": COUNT, "no_content": 0}
            answer = yield from _call("freepublish/batchget", place, token)
            items = listed(answer.get("item"))
            posts = [post for item in items for post in _posts(item)]
            seen.extend(posts)
            total = number(answer.get("total_count")) or 0
            if not items or any(key_of(post.url) in known for post in posts) or (page + 1) * COUNT >= total:
                return

    def _token(self) -> Generator[Ask, Reply, str]:
        wanted = {"grant_type": "client_credential", "appid": self._appid, "secret": self._secret}
        answer = yield from _call("stable_token", wanted)
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise SourceError(State.NOT_UNDERSTOOD, "an answer without access_token")
        return token


def _call(name: str, arguments: dict[str, Any], token: str = "") -> Generator[Ask, Reply, dict[str, Any]]:
    query = f"?{urlencode({'access_token': token})}" if token else ""
    url = f"https://{API_HOST}/cgi-bin/{name}{query}"
    reply = yield Ask(url, "POST", _JSON, json.dumps(arguments).encode(), secret=True, follow=False)
    answer = json_of(reply)
    code = number(answer.get("errcode")) or 0
    if code in _REFUSALS:
        raise SourceError(*_REFUSALS[code])
    if code:
        message = words(answer.get("errmsg"))[:60]
        raise SourceError(State.NOT_UNDERSTOOD, f"error {code} {message}".strip())
    return answer


def _posts(item: dict[str, Any]) -> list[Seen]:
    content = table(item.get("content"))
    published = instant(content.get("create_time")) or instant(item.get("update_time"))
    return [
        Seen(one["url"], words(one.get("title")), published, picked(one, _KEPT))
        for one in listed(content.get("news_item"))
        if isinstance(one.get("url"), str) and one.get("is_deleted") not in (True, 1, "1", "true")
    ]

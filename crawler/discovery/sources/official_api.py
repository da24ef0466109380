"""The source `official`: WeChat's API for the operator of an account, with AppID and AppSecret."""

import json
from collections.abc import Generator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from archive.domain.messages import Message
from crawler.discovery.responses import (
    as_instant,
    as_number,
    as_object,
    as_objects,
    as_text,
    json_reply,
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

API_HOST = "api.weixin.qq.com"

MAX_PAGES = 30  # of one run: 600 posts

PAGE_SIZE = 20  # posts, the most the API gives

MAX_REMEMBERED = 40  # keys of the newest posts

_STORED = ("author", "digest", "need_open_comment", "thumb_media_id")

_JSON = (("Content-Type", "application/json; charset=utf-8"), ("Accept", "application/json"))

_TOO_OFTEN = 45011

_ERRORS = {  # WeChat's error codes
    40001: (State.REFUSED, "crawler.official.wrong_secret_for_appid"),
    40002: (State.REFUSED, "crawler.official.unknown_grant"),
    40013: (State.REFUSED, "crawler.official.unknown_appid"),
    40125: (State.REFUSED, "crawler.official.wrong_secret"),
    40164: (State.REFUSED, "crawler.official.address_not_allowed"),
    40243: (State.REFUSED, "crawler.official.secret_frozen"),
    42001: (State.REFUSED, "crawler.official.token_expired"),
    48001: (State.REFUSED, "crawler.official.no_permission"),
    50007: (State.REFUSED, "crawler.official.account_frozen"),
    45009: (State.RATE_LIMITED, "crawler.official.quota_used_up"),
    89503: (State.REFUSED, "crawler.official.address_not_confirmed"),
    -1: (State.UNREACHABLE, "crawler.official.system_busy"),
}


class Official:
    """`freepublish/batchget`. The access token is requested at each run; it is the same while valid."""

    name = "official"
    host = API_HOST

    def __init__(self, appid: str, secret: str, problem: Message | None = None):
        self._appid = appid
        self._secret = secret
        self._problem = problem

    def __repr__(self) -> str:
        """Return the AppID, without the secret."""
        return f"Official({self._appid!r})"

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List what is new since the last run."""
        if not self._secret:
            problem = self._problem or Message("crawler.official.no_secret")
            return SourceFindings(State.NOT_CONFIGURED, problem, memory=memory)
        posts: list[ListedPost] = []
        try:
            yield from self._list(set(memory.get("newest") or ()), posts)
        except SourceError as error:
            return error.findings(posts, memory)
        if not posts:
            return SourceFindings(State.EMPTY, Message("crawler.official.empty"), memory=memory)
        newest = [post_key(post.url) for post in posts[:MAX_REMEMBERED]]
        return SourceFindings(State.OK, None, tuple(posts), newest_of(posts), {"newest": newest})

    def _list(self, known: set[str], posts: list[ListedPost]) -> Generator[Fetch, Reply, None]:
        token = yield from self._token()
        for page in range(MAX_PAGES):
            position = {"offset": page * PAGE_SIZE, "count": PAGE_SIZE, "no_content": 0}
            answer = yield from _call("freepublish/batchget", position, token)
            items = as_objects(answer.get("item"))
            listed = [post for item in items for post in _posts(item)]
            posts.extend(listed)
            total = as_number(answer.get("total_count")) or 0
            is_known = any(post_key(post.url) in known for post in listed)
            if not items or is_known or (page + 1) * PAGE_SIZE >= total:
                return

    def _token(self) -> Generator[Fetch, Reply, str]:
        arguments = {"grant_type": "client_credential", "appid": self._appid, "secret": self._secret}
        answer = yield from _call("stable_token", arguments)
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise SourceError(State.NOT_UNDERSTOOD, "crawler.source.field_missing", field="access_token")
        return token


def _call(name: str, arguments: dict[str, Any], token: str = "") -> Generator[Fetch, Reply, dict[str, Any]]:
    query = f"?{urlencode({'access_token': token})}" if token else ""
    url = f"https://{API_HOST}/cgi-bin/{name}{query}"
    reply = yield Fetch(url, "POST", _JSON, json.dumps(arguments).encode(), secret=True, follow=False)
    answer = json_reply(reply)
    code = as_number(answer.get("errcode")) or 0
    if code in _ERRORS:
        raise SourceError(*_ERRORS[code])
    if code == _TOO_OFTEN:
        raise SourceError(State.RATE_LIMITED, "crawler.source.too_often", number=code)
    if code:
        text = as_text(answer.get("errmsg"))[:60]
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.source.unknown_error", number=code, text=text)
    return answer


def _posts(item: dict[str, Any]) -> list[ListedPost]:
    content = as_object(item.get("content"))
    published = as_instant(content.get("create_time")) or as_instant(item.get("update_time"))
    return [
        ListedPost(one["url"], as_text(one.get("title")), published, stored_fields(one, _STORED))
        for one in as_objects(content.get("news_item"))
        if isinstance(one.get("url"), str) and one.get("is_deleted") not in (True, 1, "1", "true")
    ]

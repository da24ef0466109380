"""The source `weread_agent`: WeRead's documented Agent Gateway, with the user's own key.

It names the posts of an account by title and time, without addresses: it shows what is missing, and confirms
that nothing was published.
"""

import json
from datetime import UTC, datetime
from typing import Any

from archive.domain.messages import Message
from crawler.discovery.responses import as_number, as_object, as_objects, as_text, json_reply
from crawler.discovery.source import (
    Discovery,
    Fetch,
    ListedPost,
    SourceError,
    SourceFindings,
    State,
    newest_of,
)
from crawler.discovery.sources.weread import book_id, instant_of

GATEWAY_HOST = "i.weread.qq.com"

GATEWAY = f"https://{GATEWAY_HOST}/api/agent/gateway"

MAX_CHAPTERS = 200  # the newest: about a year of a weekly account, weeks of a busy one

_FIRST = datetime.fromtimestamp(0, UTC)

_ERRORS = {  # WeRead's error codes
    -2010: (State.REFUSED, "crawler.weread_agent.key_refused"),
    -2012: (State.REFUSED, "crawler.weread_agent.key_refused"),
    -2013: (State.REFUSED, "crawler.weread_agent.refused"),
    -2014: (State.RATE_LIMITED, "crawler.weread_agent.too_often"),
    -2041: (State.REFUSED, "crawler.weread_agent.refused"),
}


class WeReadAgent:
    """The chapters of an account's book; a chapter is a post."""

    name = "weread_agent"
    host = GATEWAY_HOST

    def __init__(self, biz: str, key: str, skill_version: str, problem: Message | None = None):
        self._book = book_id(biz)
        self._key = key
        self._skill_version = skill_version
        self._problem = problem

    def __repr__(self) -> str:
        """Return the book, without the key."""
        return f"WeReadAgent({self._book!r})"

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """Name the posts of the account; all of them are announced, as none has an address."""
        if not self._key:
            problem = self._problem or Message("crawler.weread_agent.no_key")
            return SourceFindings(State.NOT_CONFIGURED, problem, memory=memory)
        try:
            answer = json_reply((yield self._fetch()))
            warnings = self._check(answer)
        except SourceError as error:
            return error.findings([], memory)
        posts = _posts(answer)
        if not posts:
            return SourceFindings(State.EMPTY, Message("crawler.weread_agent.empty"), memory=memory)
        titles = [post.title for post in posts]
        state = State.UNCHANGED if titles == memory.get("titles") else State.OK
        return SourceFindings(
            state,
            Message("crawler.weread_agent.titles_only", {"n": len(posts)}),
            newest=newest_of(posts),
            memory=memory | {"titles": titles},
            warnings=warnings,
            announced=tuple(posts),
        )

    def _fetch(self) -> Fetch:
        body = {"api_name": "/book/chapterinfo", "bookId": self._book, "skill_version": self._skill_version}
        headers = (("Authorization", f"Bearer {self._key}"), ("Content-Type", "application/json"))
        return Fetch(
            GATEWAY, "POST", headers, json.dumps(body).encode(), secret=True, follow=False, retry=False
        )

    def _check(self, answer: dict[str, Any]) -> tuple[Message, ...]:
        """Return what to warn of. Raises SourceError for an error, or where an upgrade is demanded."""
        code = as_number(answer.get("errcode")) or as_number(answer.get("errCode")) or 0
        text = as_text(answer.get("errmsg") or answer.get("errMsg"))[:60]
        if code in _ERRORS:
            raise SourceError(*_ERRORS[code], number=code)
        if code:
            raise SourceError(State.NOT_UNDERSTOOD, "crawler.source.unknown_error", number=code, text=text)
        if not answer.get("upgrade_info"):
            return ()
        info = as_object(answer["upgrade_info"])
        newest = next(
            (as_text(info.get(name)) for name in ("latest_version", "version") if info.get(name)), "?"
        )
        versions = {"used": self._skill_version, "newest": newest[:20]}
        if "chapters" not in answer:
            raise SourceError(State.REFUSED, "crawler.weread_agent.upgrade_demanded", **versions)
        return (Message("crawler.weread_agent.upgrade_advised", versions),)


def _posts(answer: dict[str, Any]) -> list[ListedPost]:
    """Return the posts, newest first. Raises nothing: chapters that are no posts are left out."""
    posts = [
        ListedPost("", title, instant_of(chapter.get("updateTime")))
        for chapter in as_objects(answer.get("chapters"))
        if as_number(chapter.get("isMPChapter")) == 1 and (title := as_text(chapter.get("title")))
    ]
    return sorted(posts, key=lambda post: post.published_at or _FIRST, reverse=True)[:MAX_CHAPTERS]

"""Names of WeRead's books and pages, and reads of its lists. No I/O."""

import hashlib
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from archive.domain.addresses import HOST
from archive.domain.messages import Message
from crawler.discovery.responses import as_instant, as_number, as_object, as_objects, as_text, stored_fields
from crawler.discovery.source import ListedPost, SourceError, State

WEREAD_HOST = "weread.qq.com"

MAX_GROUPS = 200  # of one response; a page has about 20

MAX_POSTS_IN_GROUP = 50  # WeChat takes 8 in a push

_MILLISECONDS = 100_000_000_000  # a number of seconds as large as this is in the year 5138

_STORED = ("originalId", "time", "mpName")

_TOKEN = re.compile(r"[A-Za-z0-9_-]{10,40}")


def book_id(biz: str) -> str:
    """Return WeRead's id of an account: its number, which `__biz` is in base64."""
    return f"MP_WXS_{b64decode(biz).decode('ascii')}"


def reader_url(book: str) -> str:
    """Return the address of the reader's page of a book; WeRead spells ids in this way in addresses."""
    digest = hashlib.md5(book.encode(), usedforsecurity=False).hexdigest()
    if book.isdigit():
        kind, parts = "3", [f"{int(book[at : at + 9]):x}" for at in range(0, len(book), 9)]
    else:
        kind, parts = "4", ["".join(f"{ord(character):x}" for character in book)]
    code = f"{digest[:3]}{kind}2{digest[-2:]}" + "g".join(f"{len(part):02x}{part}" for part in parts)
    code += digest[: max(0, 20 - len(code))]
    code += hashlib.md5(code.encode(), usedforsecurity=False).hexdigest()[:3]
    return f"https://{WEREAD_HOST}/web/mp/reader/{code}"


@dataclass
class WeReadList:
    """What one response lists: the posts of each push, newest first, and what cannot be used.

    `announced`: posts without an address; `foreign`: posts of other accounts, which were dropped; `cut`:
    groups beyond MAX_GROUPS.
    """

    groups: list[list[ListedPost]] = field(default_factory=list)
    announced: list[ListedPost] = field(default_factory=list)
    foreign: int = 0
    cut: int = 0

    def extend(self, other: "WeReadList") -> None:
        """Add what the next page lists."""
        self.groups += other.groups
        self.announced += other.announced
        self.foreign += other.foreign
        self.cut += other.cut

    def warnings(self) -> tuple[Message, ...]:
        """Return a warning for each reason that left something out."""
        counted = {"foreign": self.foreign, "no_address": len(self.announced), "too_many": self.cut}
        return tuple(Message(f"crawler.weread.left_out.{name}", {"n": n}) for name, n in counted.items() if n)


def read_weread_list(answer: Mapping[str, Any], book: str) -> WeReadList:
    """Read a response of the list. Raises SourceError when it is not one."""
    if "reviews" not in answer:
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.source.field_missing", field="reviews")
    groups = as_objects(answer["reviews"])
    found = WeReadList(cut=max(0, len(groups) - MAX_GROUPS))
    for group in groups[:MAX_GROUPS]:
        posts: list[ListedPost] = []
        for item in (as_objects(group.get("subReviews")) or [group])[:MAX_POSTS_IN_GROUP]:
            review = as_object(item.get("review"))
            if as_text(review.get("belongBookId")) not in ("", book):
                found.foreign += 1
                continue
            post = _post(review, as_text(item.get("reviewId")), book, group)
            (posts if post.url else found.announced).append(post)
        if posts:
            found.groups.append(posts)
    return found


def _post(review: Mapping[str, Any], review_id: str, book: str, group: Mapping[str, Any]) -> ListedPost:
    info = as_object(review.get("mpInfo"))
    times = (info.get("time"), review.get("createTime"), group.get("createTime"))
    published = next(filter(None, map(instant_of, times)), None)
    token = short_token(as_text(info.get("originalId")), as_text(review.get("reviewId")) or review_id, book)
    url = f"https://{HOST}/s/{token}" if token else ""
    return ListedPost(url, as_text(info.get("title")), published, stored_fields(info, _STORED))


def short_token(original: str, review_id: str, book: str) -> str:
    """Return the token of the short link; empty where there is none."""
    after = review_id.removeprefix(f"{book}_") if review_id.startswith(f"{book}_") else ""
    candidates = (text.replace("~", "_") for text in (original, after))
    return next(filter(_TOKEN.fullmatch, candidates), "")


def instant_of(value: Any) -> datetime | None:
    """Return seconds or milliseconds since 1970 as an aware UTC instant."""
    number = as_number(value)
    return as_instant(number // 1000 if number and number >= _MILLISECONDS else number)

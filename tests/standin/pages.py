"""Every page the stand-in knows, with what a correct reader says about it; usable without the server."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from archive.domain.outcomes import Kind, Outcome
from archive.domain.records import FIELDS
from tests.standin.account import Expected, Post, at
from tests.standin.notices import NOTICES, NoticePage
from tests.standin.post_page import render
from tests.standin.posts import POSTS
from tests.standin.rule import final_content, plain_content
from tests.standin.skeleton import encoded

FIRST_NOTICE_MID = 2650000201
LIGHT = 20_000  # bytes of script, where nobody measures


@dataclass(frozen=True)
class Shown:
    """What one address shows: a post, or (with the address of that post) a notice in its place."""

    post: Post
    notice: NoticePage | None = None

    def render(self, weight: int) -> list[bytes]:
        """Return the page in parts."""
        return self.notice.render() if self.notice else render(self.post, weight)

    @property
    def expected(self) -> Expected:
        """What a correct reader says about the page as served."""
        return _of_notice(self.post, self.notice) if self.notice else _of_post(self.post)


def catalogue() -> list[Shown]:
    """Every kind and every outcome, each at an address of its own."""
    notices = [
        Shown(_gone(FIRST_NOTICE_MID + number, name), page)
        for number, (name, page) in enumerate(NOTICES.items())
    ]
    return [*map(Shown, POSTS), *notices]


def all_pages(weight: int = LIGHT) -> Iterator[tuple[str, bytes, str, dict[str, Any]]]:
    """Name, bytes, address and expectation (the fields of `Expected`) of every page of the catalogue."""
    for shown in catalogue():
        expected = shown.expected
        yield expected.name, b"".join(shown.render(weight)), expected.url, asdict(expected)


def text_of(post: Post) -> str:
    """`finalContent` of a post's page as served."""
    match post.kind:
        case Kind.ARTICLE | Kind.SHARE:
            return final_content(post.body)
        case Kind.AUDIO:
            return ""
        case Kind.VIDEO:
            return post.digest
    return plain_content(encoded(post.body))


def _gone(mid: int, name: str) -> Post:
    return Post(name, Kind.ARTICLE, mid, f"不再可见的合成文章：{name}", "", at("2025-11-06 10:00"))


def _of_post(post: Post) -> Expected:
    title = post.shown_title
    values = (post.aid, title, post.url, post.local_time[:10], post.account.nickname, text_of(post))
    drawn = "".join(f"{line}\r" for line in post.body.split("\n")) if post.kind is Kind.AUDIO else ""
    return Expected(
        post.name,
        post.url,
        Outcome.ARTICLE,
        post.kind,
        dict(zip(FIELDS, values, strict=True)),
        post.created,
        needs_browser=bool(drawn),
        drawn_text=drawn,
        short_url=post.short_url,
        biz=post.account.biz,
        aid=post.aid,
    )


def _of_notice(post: Post, notice: NoticePage) -> Expected:
    return Expected(
        post.name,
        post.url,
        Outcome.UNKNOWN if notice.needs_browser else notice.outcome,
        needs_browser=notice.needs_browser,
        drawn_outcome=notice.outcome,
        short_url=post.short_url,
        biz=post.account.biz,
        aid=post.aid,
    )

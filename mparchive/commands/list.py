"""`mparchive list`: list posts without searching for words, or count them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from rich.text import Text
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.domain.messages import Message
from archive.domain.outcomes import PostCount, PostOrder
from archive.reports.post_list import PostListItem, PostTotal, count_posts, list_posts
from archive.repository.accounts import check_account
from archive.repository.post_queries import PostFilter
from mparchive.console import label, out, print_json, print_json_list, say, translated
from mparchive.errors import Exit


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The options of the command; without a limit all posts are listed."""

    chosen: PostFilter
    order: PostOrder
    count_by: PostCount | None
    limit: int | None
    json: bool


def list_archived(options: ListOptions) -> Exit:
    """Print the posts that the options select, as they are read, or their numbers. Raises NotArchived."""
    with open_archive() as engine, transaction(engine) as session:
        check_account(session, options.chosen.account)
        if options.count_by:
            _print_totals(session, options, options.count_by)
        else:
            _print_posts(session, options)
    return Exit.DONE


def _print_posts(session: Session, options: ListOptions) -> None:
    every = list_posts(session, options.chosen, options.order)
    posts = islice(every, options.limit)
    count = print_json_list(map(_as_json, posts)) if options.json else _print_lines(posts)
    _say_rest(count, next(every, None) is not None)


def _print_totals(session: Session, options: ListOptions, by: PostCount) -> None:
    totals = count_posts(session, options.chosen, by, options.order)
    shown = totals[: options.limit]
    if options.json:
        print_json([_total_as_json(one, by) for one in shown])
    for one in () if options.json else shown:
        out.print(Text.assemble((_value(one, by), "bold"), f"  {one.posts}"))
    _say_rest(len(shown), len(totals) > len(shown))


def _say_rest(count: int, has_more: bool) -> None:
    if not count:
        say(Message("mparchive.list.none"))
    if has_more:
        say(Message("mparchive.list.more", {"n": count}))


def _print_lines(posts: Iterator[PostListItem]) -> int:
    count = 0
    for post in posts:
        count += 1
        marks = "".join(f"  [{label('archive.mark.', mark)}]" for mark in post.marks)
        kind = label("archive.kind.", post.kind or "none")
        out.print(
            Text.assemble(
                (post.aid, "cyan"),
                f"  {post.published_on}  {post.account or post.biz}  {kind}  ",
                (" ".join(post.title.split()), "bold"),
                (marks, "yellow"),
            )
        )
    return count


def _as_json(post: PostListItem) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(post).items()}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _value(total: PostTotal, by: PostCount) -> str:
    if by is PostCount.KIND:
        return label("archive.kind.", total.value or "none")
    return total.value or total.biz or translated("archive.kind.none")


def _total_as_json(total: PostTotal, by: PostCount) -> dict[str, Any]:
    biz = {"biz": total.biz} if by is PostCount.ACCOUNT else {}
    return {str(by): total.value, **biz, "posts": total.posts}

"""`mparchive show`: one post of the archive."""

import sys
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text
from sqlalchemy.orm import Session

from archive import queries
from archive.database import open_archive, transaction
from archive.history import history_of
from archive.links import links_of
from archive.media.queries import ShownMedium, media_of
from archive.models import Post
from archive.record import SHANGHAI
from mparchive.console import facts_table, out, print_json, shortened
from mparchive.exits import CommandError, Exit
from mparchive.history import history_as_json, print_difference, print_history
from mparchive.opening import open_page, print_page


def show(aid: str, account: str | None, what: str, *, versions: str = "", as_json: bool = False) -> Exit:
    """Print a post: `what` is summary, text, raw, history, diff, links, html or open.

    The summary, the history and the difference of two `versions` (N..M) may be had `as_json`.
    """
    with open_archive() as engine, transaction(engine) as session:
        post = _one_post(session, aid, account)
        match what:
            case "text":
                sys.stdout.write(post.text.replace("\r", "\n") + "\n")
            case "raw":
                sys.stdout.buffer.write(_raw(session, post))
            case "history":
                print_history(session, post, as_json)
            case "diff":
                print_difference(session, post, versions, as_json)
            case "links":
                out.print(_links(session, post))
            case "html":
                return print_page(session, post)
            case "open":
                return open_page(session, post)
            case _ if as_json:
                print_json(_as_json(session, post))
            case _:
                out.print(_summary(session, post))
    return Exit.DONE


def _one_post(session: Session, aid: str, account: str | None) -> Post:
    posts = queries.find_posts(session, aid, account)
    if not posts:
        raise CommandError(f"there is no post {aid} in the archive; `mparchive backfill` its address first")
    if len(posts) > 1:
        names = ", ".join(post.account_name for post in posts)
        raise CommandError(f"{aid} is a post of several accounts ({names}); choose with --account BIZ")
    return posts[0]


def _raw(session: Session, post: Post) -> bytes:
    """The page as the server sent it, the last time it was an article."""
    pages = [c for c in queries.captures_of(session, post) if c["outcome"] == "article" and not c["rendered"]]
    if not pages:
        raise CommandError(
            f"{post.aid} was taken over without its page; `mparchive backfill {post.url}` fetches it"
        )
    return queries.capture_body(session, pages[0]["id"])


def _summary(session: Session, post: Post) -> Table:
    captures = queries.captures_of(session, post)
    facts = {
        "aid": post.aid,
        "title": post.title,
        "account": post.account_name,
        "published": str(post.published_at.astimezone(SHANGHAI))
        if post.published_at
        else str(post.published_on),
        "kind": post.kind or "not fetched yet",
        "url": post.url,
        "versions": str(len(queries.versions_of(session, post))),
        "captures": ", ".join(f"{c['fetched_at']:%Y-%m-%d %H:%M}Z {c['outcome']}" for c in captures)
        or "none",
        "text": shortened(post.text),
    }
    return facts_table(facts)


def _links(session: Session, post: Post) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("relation", "words", "leads to"):
        table.add_column(heading, overflow="fold")
    for link in links_of(session, post):
        table.add_row(link.relation, Text(shortened(link.text)), Text(link.url or link.key))
    return table


def _as_json(session: Session, post: Post) -> dict[str, Any]:
    return {
        "post": queries.record_of(post).as_dict(),
        "kind": post.kind,
        "published_at": post.published_at.isoformat() if post.published_at else None,
        "page": post.facts,
        **history_as_json(history_of(session, post)),
        "links": [
            {name: getattr(link, name) for name in ("relation", "position", "key", "url", "text", "facts")}
            for link in links_of(session, post)
        ],
        "media": [_medium(medium) for medium in media_of(session, post)],
    }


def _medium(medium: ShownMedium) -> dict[str, Any]:
    file = medium.file
    return {
        "role": medium.role,
        "position": medium.position,
        "type": medium.type,
        "key": medium.key,
        "url": medium.url,
        "facts": medium.facts,
        "file": {**asdict(file), "sha256": file.sha256.hex()} if file else None,
        "last_outcome": medium.last_outcome,
        "last_reason": medium.last_reason,
    }

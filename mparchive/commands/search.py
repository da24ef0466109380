"""`mparchive search`: the posts that have the words."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from rich.text import Text
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.repository.accounts import check_account
from archive.repository.search_index import rebuild_search_index
from archive.search.engine import MAX_LIMIT, Hit, Order, SearchPage, search
from archive.search.query import Query, parse
from mparchive.console import out, print_json, say, steps
from mparchive.errors import Exit


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What is looked for, and how many are wanted."""

    words: str
    account: str | None
    kind: str | None
    since: date | None
    until: date | None
    order: Order
    limit: int
    json: bool


def search_posts(asked: SearchOptions) -> Exit:
    """Print the hits: aid, date, title and excerpt; that there are none, or more, is said on stderr."""
    query = parse(asked.words)
    with open_archive() as engine:
        found = _pages(engine, query, asked)
    if asked.json:
        print_json([_as_json(hit) for hit in found.hits])
    else:
        for hit in found.hits:
            _print(hit)
    if not found.hits:
        say("no post has these words")
    elif found.next:
        say(f"there are more than {asked.limit}; --limit shows more, --since and --until choose days")
    return Exit.DONE


def rebuild_index(as_json: bool) -> Exit:
    """Compute anew what search reads of all posts, and say of how many."""
    with open_archive() as engine, transaction(engine) as session, steps(None, every=500) as shown:
        posts = rebuild_search_index(session, lambda done: shown.step("posts", done))
    if as_json:
        print_json({"posts": posts})
    else:
        say(f"search reads {posts} posts anew")
    return Exit.DONE


def _pages(engine: Engine, query: Query, asked: SearchOptions) -> SearchPage:
    """The hits that are wanted, however many pages they are."""
    with transaction(engine) as session:
        check_account(session, asked.account)
        found = _page(session, query, asked, min(MAX_LIMIT, asked.limit), None)
        while found.next and (left := asked.limit - len(found.hits)):
            page = _page(session, query, asked, min(MAX_LIMIT, left), found.next)
            found = SearchPage([*found.hits, *page.hits], page.next)
    return found


def _page(session: Session, query: Query, asked: SearchOptions, limit: int, after: str | None) -> SearchPage:
    return search(
        session,
        query,
        account=asked.account,
        kind=asked.kind,
        since=asked.since,
        until=asked.until,
        order=asked.order,
        limit=limit,
        after=after,
    )


def _print(hit: Hit) -> None:
    out.print(Text.assemble((hit.aid, "cyan"), f"  {hit.published_on}  ", (hit.title, "bold")))
    out.print(
        Text.assemble("    ", *((piece, "bold yellow" if is_word else "") for piece, is_word in hit.excerpt))
    )


def _as_json(hit: Hit) -> dict[str, Any]:
    excerpt = [{"text": piece, "is_word": is_word} for piece, is_word in hit.excerpt]
    return {**asdict(hit), "excerpt": excerpt}

"""`mparchive search`: search the posts, or rebuild the search index."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.domain.messages import Message
from archive.repository.accounts import check_account
from archive.repository.post_queries import PostFilter
from archive.repository.search_index import rebuild_search_index
from archive.search.engine import MAX_LIMIT, Hit, Order, SearchPage
from archive.search.lookup import NameForm, find_hits, missing_message, posts_with_identifier
from mparchive.console import out, print_json, say, steps, translated
from mparchive.errors import CommandError, Exit


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The options of the command: the words, the filters and the number of results."""

    words: Sequence[str]
    chosen: PostFilter
    order: Order
    limit: int
    json: bool

    @property
    def text(self) -> str:
        """Return the words as one query."""
        return " ".join(self.words)


def search_posts(options: SearchOptions) -> Exit:
    """Print aid, date, title and excerpt of each match. Raises CommandError, SearchError, NotArchived.

    Without words these are all posts that the filter selects.
    """
    if not options.text.strip() and (options.words or options.chosen.is_empty):
        raise CommandError(Message("mparchive.search.words_or_rebuild"))
    with open_archive() as engine:
        found = _pages(engine, options)
        if not found.hits:
            say(_missing(engine, options))
    if options.json:
        print_json([_as_json(hit) for hit in found.hits])
    else:
        for hit in found.hits:
            _print(hit)
    if found.next:
        say(Message("mparchive.search.more", {"limit": options.limit}))
    return Exit.DONE


def rebuild_index(as_json: bool) -> Exit:
    """Rebuild the search index of all posts, and print how many there are."""
    with open_archive() as engine, transaction(engine) as session, steps(None, every=500) as shown:
        posts = rebuild_search_index(
            session, lambda done: shown.step(translated("mparchive.search.posts"), done)
        )
    if as_json:
        print_json({"posts": posts})
    else:
        say(Message("mparchive.search.rebuilt", {"n": posts}))
    return Exit.DONE


def _missing(engine: Engine, options: SearchOptions) -> Message:
    """Return why nothing was found: an address whose post is not archived has a remedy of its own."""
    if not options.words:
        return Message("mparchive.list.none")
    with transaction(engine) as session:
        named = posts_with_identifier(session, options.text)
        if named.form is NameForm.ADDRESS and not named.posts:
            return missing_message(session, named, options.text)
    return Message("mparchive.search.none")


def _pages(engine: Engine, options: SearchOptions) -> SearchPage:
    """Return as many matches as are wanted, from as many pages of results as that takes."""
    with transaction(engine) as session:
        check_account(session, options.chosen.account)
        found = _page(session, options, min(MAX_LIMIT, options.limit), None)
        while found.next and (left := options.limit - len(found.hits)):
            page = _page(session, options, min(MAX_LIMIT, left), found.next)
            found = SearchPage([*found.hits, *page.hits], page.next)
    return found


def _page(session: Session, options: SearchOptions, limit: int, after: str | None) -> SearchPage:
    return find_hits(session, options.text, options.chosen, order=options.order, limit=limit, after=after)


def _print(hit: Hit) -> None:
    out.print(Text.assemble((hit.aid, "cyan"), f"  {hit.published_on}  ", (hit.title, "bold")))
    out.print(
        Text.assemble("    ", *((piece, "bold yellow" if is_word else "") for piece, is_word in hit.excerpt))
    )


def _as_json(hit: Hit) -> dict[str, Any]:
    excerpt = [{"text": piece, "is_word": is_word} for piece, is_word in hit.excerpt]
    return {**asdict(hit), "excerpt": excerpt}

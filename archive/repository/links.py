"""Write the links of posts with their pages, and read them."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.db.models import Account, AddressRow, Post, PostLink
from archive.domain.parsed_page import CurrentPage, LinkRef
from archive.domain.pg_text import index_key, storable, storable_json
from archive.repository.post_queries import IS_ITS_ADDRESS

_LinkId = tuple[int, str, str]  # post, relation, key


def put_links(session: Session, pages: Sequence[CurrentPage]) -> None:
    """Store the links of posts. A link that only an earlier page had keeps that page's capture."""
    links: dict[_LinkId, tuple[int, LinkRef]] = {}
    for page in pages:
        links |= _links_of_page(page)
    values = [
        {
            "post_id": post_id,
            "capture_id": capture_id,
            "relation": relation,
            "key": key,
            "url": storable(link.url),
            "text": storable(link.text),
            "position": link.position,
            "facts": storable_json(link.facts),
        }
        for (post_id, relation, key), (capture_id, link) in sorted(links.items(), key=lambda item: item[0])
    ]
    row = postgresql.insert(PostLink)
    newest = {name: row.excluded[name] for name in ("capture_id", "url", "text", "position", "facts")}
    row = row.on_conflict_do_update(constraint="uq__post_links__post_id_relation_key", set_=newest)
    if values:
        session.execute(row, values)


def _links_of_page(page: CurrentPage) -> dict[_LinkId, tuple[int, LinkRef]]:
    """Return the links of a page by post, relation and key: of equal ones the first, with the first text.

    A picture and the text below it often lead to the same post.
    """
    links: dict[_LinkId, tuple[int, LinkRef]] = {}
    for link in sorted(page.page.links, key=lambda link: link.position):
        link_id = (page.post_id, link.relation, index_key(link.key))
        _, first = links.setdefault(link_id, (page.capture_id, link))
        if not first.text:
            links[link_id] = page.capture_id, replace(first, text=link.text)
    return links


def links_of(session: Session, post: Post) -> list[PostLink]:
    """Return the links of a post's current page, by relation, in order."""
    rows = select(PostLink).where(PostLink.post_id == post.id, PostLink.capture_id == post.capture_id)
    return list(session.scalars(rows.order_by(PostLink.relation, PostLink.position, PostLink.id)))


def archived_posts(session: Session, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return biz and aid of the archived posts that these address keys lead to, by key."""
    rows = (
        select(AddressRow.key, Account.biz, Post.aid)
        .join(Post, IS_ITS_ADDRESS)
        .join(Account, Account.id == Post.account_id)
        .where(AddressRow.key.in_(keys))
    )
    return {key: (biz, aid) for key, biz, aid in session.execute(rows)}

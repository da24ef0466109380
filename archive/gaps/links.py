"""What archived posts lead to and the archive lacks: posts of no known address, albums nobody lists."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BigInteger, Select, case, cast, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.gaps.gap import Gap, GapKind
from archive.gaps.whose import Whose
from archive.models import AddressRow, Post, PostLink, SourceRow
from archive.sources import TO_NEIGHBOURS
from archive.vocabulary import Relation

_SIZE = PostLink.facts["size"].astext


def linked(session: Session, its: Whose) -> Iterator[Gap]:
    """Posts that the account's posts link to, in their text or as an album's neighbours."""
    for key, url, words, relations, posts, example in session.execute(_links(its)):
        subject = "_".join(key.split(":")[1:]) if not key.startswith("s/") else url
        more = f" and {posts - 1} more" if posts > 1 else ""
        yield its.gap(
            GapKind.MENTIONED,
            subject,
            f"{example}{more} lead there ({relations}); no address of it was ever taken up",
            "`mparchive audit --fill` fetches it",
            fillable=True,
            title=words,
            url=url,
        )


def _links(its: Whose) -> Select[Any]:
    has_chksm = PostLink.url.contains("chksm=")
    best: Any = postgresql.aggregate_order_by(PostLink.url, has_chksm.desc(), PostLink.id)
    words: Any = postgresql.aggregate_order_by(PostLink.text, (PostLink.text != "").desc(), PostLink.id)
    there = Post.__table__.alias("there")
    aid = func.replace(func.substr(PostLink.key, len(its.biz) + 2), ":", "_")
    archived = select(there.c.id).where(there.c.account_id == its.account_id, there.c.aid == aid)
    known = select(AddressRow.id).where(AddressRow.key == PostLink.key)
    own = PostLink.key.startswith(f"{its.biz}:", autoescape=True) | PostLink.key.startswith("s/")
    posts = func.count(PostLink.post_id.distinct())
    relations = func.string_agg(PostLink.relation.distinct(), ", ")
    return (
        select(
            PostLink.key, func.array_agg(best)[1], func.array_agg(words)[1], relations, posts,
            func.min(Post.aid.collate("C")),
        )
        .join(Post, Post.id == PostLink.post_id)
        .where(Post.account_id == its.account_id, PostLink.relation.in_(TO_NEIGHBOURS), PostLink.url != "")
        .where(own, ~known.exists(), ~archived.exists())
        .group_by(PostLink.key)
        .order_by(posts.desc(), PostLink.key.collate("C"))
    )  # fmt: skip


def albums(session: Session, its: Whose) -> Iterator[Gap]:
    """Albums that say they hold more posts than are known to be in them, and that no source lists."""
    for album, title, size, posts in session.execute(_albums(its)):
        yield its.gap(
            GapKind.MENTIONED,
            f"album {album}",
            f"its pages say that it has {size} posts; {posts} archived ones are known to be in it",
            f'`mparchive audit --fill` lists it; albums = ["{album}"] in mparchive.toml has it watched',
            fillable=True,
            title=title,
            album=album,
        )


def _albums(its: Whose) -> Select[Any]:
    numeric = case((_SIZE.regexp_match("^[0-9]{1,9}$"), cast(_SIZE, BigInteger)))
    posts, size = func.count(PostLink.post_id.distinct()), func.max(numeric)
    listed = select(SourceRow.id).where(
        SourceRow.account_id == its.account_id,
        SourceRow.name == "album:" + PostLink.key,
        SourceRow.last_good_at.is_not(None),
    )
    columns: tuple[Any, ...] = (PostLink.key, func.max(PostLink.text), size, posts)
    return (
        select(*columns)
        .join(Post, Post.id == PostLink.post_id)
        .where(Post.account_id == its.account_id, PostLink.relation == Relation.ALBUM, ~listed.exists())
        .group_by(PostLink.key)
        .having(size > posts)
        .order_by(PostLink.key.collate("C"))
    )

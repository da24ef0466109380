"""search: what search reads of posts is what they say."""

from sqlalchemy import select

from archive.db.models import Post
from archive.integrity.check import BatchResult, Check, Finding, RowRange
from archive.repository.search_index import INDEX_BATCH, search_index_errors

NAME = "search"


def _look(look: RowRange) -> BatchResult:
    ids = look.session.scalars(select(Post.id).where(look.has(Post.id)).order_by(Post.id)).all()
    found = BatchResult(len(ids))
    for start in range(0, len(ids), INDEX_BATCH):
        for id_, reason in search_index_errors(look.session, ids[start : start + INDEX_BATCH]):
            found.findings.append(Finding(NAME, "post_words", id_, str(reason)))
    return found


CHECKS = (Check(NAME, "posts", INDEX_BATCH, _look),)

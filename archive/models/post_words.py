"""post_words: what search reads of each post."""

from datetime import date

from sqlalchemy import ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base


class PostWords(Base):
    """A post as search sees it; all of it is computed from `posts`, and can be computed anew."""

    __tablename__ = "post_words"
    __table_args__ = (
        Index("ix__post_words__grams", text("search_grams(words)"), postgresql_using="gin"),
        Index(None, "published_on", "post_id"),
        Index(None, "account_id", "published_on", "post_id"),
        {"comment": "The words of posts, for search: computed from their titles and texts"},
    )

    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    published_on: Mapped[date] = mapped_column(comment="date in Asia/Shanghai")
    kind: Mapped[str | None]
    words: Mapped[str] = mapped_column(
        Text(collation="C"), comment="title, newline, text, as a reader sees them, in small letters"
    )

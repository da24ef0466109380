"""Tables of the reader: stars, tags and notes of posts, and saved searches. They are no evidence."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from archive.db.models.base import Base, Key


class ReaderNote(Base):
    """What the reader noted of a post."""

    __tablename__ = "reader_notes"
    __table_args__ = (
        Index(None, "tags", postgresql_using="gin"),
        {"comment": "Stars, tags and notes of the reader; no evidence"},
    )

    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    is_starred: Mapped[bool] = mapped_column(server_default=text("false"))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"), comment="sorted")
    note: Mapped[str] = mapped_column(server_default="", comment="plain text of the reader")
    changed_at: Mapped[datetime]


class SavedSearch(Base):
    """A search that the reader saved under a name."""

    __tablename__ = "saved_searches"
    __table_args__ = (
        CheckConstraint("jsonb_typeof(query) = 'object'", name="query"),
        {"comment": "Searches that the reader saved; no evidence"},
    )

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True, comment="given by the reader")
    query: Mapped[dict[str, Any]] = mapped_column(comment="parameters of the search page by name")
    saved_at: Mapped[datetime]

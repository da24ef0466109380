"""versions: every state a post's text has had."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class Version(Base):
    """An append-only state of a post's title and text."""

    __tablename__ = "versions"
    __table_args__ = (
        UniqueConstraint("post_id", "number"),
        {"comment": "States of a post's text; rows are only ever added"},
    )

    id: Mapped[Key]
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id"))
    number: Mapped[int] = mapped_column(comment="1 for the first")
    title: Mapped[str]
    text: Mapped[str]
    content_hash: Mapped[str]
    source: Mapped[str] = mapped_column(comment="page, dump, …")
    capture_id: Mapped[int | None] = mapped_column(ForeignKey("captures.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    parser_version: Mapped[int | None]
    recorded_at: Mapped[datetime]

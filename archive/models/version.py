"""Versions: the append-only history of a post's text."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Integer, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base


class Version(Base):
    """A state a post was seen in. Never updated, never deleted."""

    __tablename__ = "versions"
    __table_args__ = (
        UniqueConstraint("post_id", "number"),
        {"comment": "States of a post's text, append-only, numbered from 1"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id"))
    number: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column()
    text: Mapped[str] = mapped_column()
    content_hash: Mapped[bytes] = mapped_column()
    source: Mapped[str] = mapped_column(comment="page, dump, …")
    capture_id: Mapped[int | None] = mapped_column(ForeignKey("captures.id"), comment="NULL for an imported state")
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    parser_version: Mapped[int | None] = mapped_column(Integer)
    seen_at: Mapped[datetime | None] = mapped_column(comment="When the server served it; NULL where unknown")
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())

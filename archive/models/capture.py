"""captures: the answers of the server, as they came."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class CaptureRow(Base):
    """One answer: exact body bytes (compressed), headers, addresses, time and hash."""

    __tablename__ = "captures"
    __table_args__ = (
        Index(None, "id", postgresql_where=text("outcome IS NULL"), unique=False),
        {"comment": "Answers of the server; written before they are read, never changed afterwards"},
    )

    id: Mapped[Key]
    address_id: Mapped[int | None] = mapped_column(ForeignKey("addresses.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"), index=True)
    requested_url: Mapped[str]
    final_url: Mapped[str]
    status: Mapped[int]
    headers: Mapped[list[Any]] = mapped_column(comment="pairs of name and value, in order; no cookies")
    body: Mapped[bytes] = mapped_column(
        LargeBinary, comment="the bytes after content decoding, by body_encoding"
    )
    body_encoding: Mapped[str] = mapped_column(
        comment="gzip: as the server sent it; zstd: one zstd frame; zstd-prefix: one zstd frame made with the"
        " uncompressed body of reference_id as its prefix (zstd -d --long=27 --patch-from=REFERENCE)"
    )
    reference_id: Mapped[int | None] = mapped_column(
        ForeignKey("captures.id"),
        index=True,
        comment="the capture whose body this one's is stored against; its own is stored whole",
    )
    body_size: Mapped[int] = mapped_column(comment="bytes, uncompressed")
    sha256: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the uncompressed body")
    fetched_at: Mapped[datetime]
    rendered: Mapped[bool] = mapped_column(comment="a browser's DOM, not served bytes")
    evaluated: Mapped[dict[str, Any] | None] = mapped_column(
        comment="of a rendered page: its scripts' own variables, and the text shown"
    )
    outcome: Mapped[str | None] = mapped_column(comment="NULL until read")
    reason: Mapped[str] = mapped_column(server_default="")
    parser_version: Mapped[int | None]

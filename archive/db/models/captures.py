"""Define the tables of captures and of the hash chains over them."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.db.models.base import Base, Key


class CaptureRow(Base):
    """A response of the server: exact body bytes (compressed), headers, URLs, time and hash."""

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


class Chain(Base):
    """The head of an account's hash chain."""

    __tablename__ = "chains"
    __table_args__ = {"comment": "Chains of hashes over captures and versions, one an account: their heads"}  # noqa: RUF012

    id: Mapped[Key]
    biz: Mapped[str] = mapped_column(
        unique=True, comment="the account; empty: captures of addresses that do not tell their account"
    )
    length: Mapped[int] = mapped_column(server_default="0", comment="how many entries there are")
    digest: Mapped[bytes] = mapped_column(
        LargeBinary, comment="of the last entry, 32 bytes; zeros while there is none"
    )


class ChainEntry(Base):
    """An entry of a hash chain. digest = SHA-256(digest of the entry before || content)."""

    __tablename__ = "chain_entries"
    __table_args__ = (
        UniqueConstraint("chain_id", "position"),
        CheckConstraint("num_nonnulls(capture_id, version_id) = 1", name="one_subject"),
        {"comment": "Links of the chains; rows are only ever added"},
    )

    id: Mapped[Key]
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    position: Mapped[int] = mapped_column(comment="from 1, without holes")
    capture_id: Mapped[int | None] = mapped_column(ForeignKey("captures.id"), unique=True)
    version_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"), unique=True)
    content: Mapped[bytes] = mapped_column(
        LargeBinary, comment="SHA-256 of what the row holds, by the rule of docs/reference/integrity.md"
    )
    digest: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256, 32 bytes")
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())

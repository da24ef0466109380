"""Tables of captures, what parsers made of them, and the hash chains."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    TypeDecorator,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from archive.db.models.base import Base, Key, one_of
from archive.domain.addresses import without_session
from archive.domain.outcomes import Outcome

SERIALS = 1_000_000_000  # serial numbers of captures; what their ids multiply months by


class PublicAddress(TypeDecorator[str]):
    """An address that is read without its reader's session, which earlier versions stored.

    The stored address is part of the hash chains, which the database computes, so it cannot be changed.
    """

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Remove the session's parameters."""
        return None if value is None else without_session(value)


class PublicHeaders(TypeDecorator[list[Any]]):
    """Headers, whose addresses are read as PublicAddress."""

    impl = JSONB
    cache_ok = True

    def process_result_value(self, value: list[Any] | None, dialect: Dialect) -> list[Any] | None:
        """Remove the session's parameters from every value that has a query."""
        return value and [[name, without_session(one) if "?" in one else one] for name, one in value]


class Body(Base):
    """The bytes of a response, stored once however many captures have them."""

    __tablename__ = "bodies"
    __table_args__ = (
        CheckConstraint("codec IN ('gzip', 'zstd', 'zstd-prefix')", name="codec"),
        {
            "comment": "Bodies of captures, by SHA-256: the same bytes are stored once",
            "postgresql_partition_by": "HASH (sha256)",
        },
    )

    sha256: Mapped[bytes] = mapped_column(
        LargeBinary, primary_key=True, comment="SHA-256 of the uncompressed body"
    )
    codec: Mapped[str] = mapped_column(
        comment="gzip: as the server sent it; zstd: one zstd frame; zstd-prefix: one zstd frame made with the"
        " uncompressed base as its prefix (zstd -d --long=27 --patch-from=BASE)"
    )
    base_sha256: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        ForeignKey("bodies.sha256"),
        index=True,
        comment="the body this one is stored against, which is itself stored whole",
    )
    data: Mapped[bytes] = mapped_column(LargeBinary, comment="the bytes after content decoding, by codec")


class Capture(Base):
    """A response of the server: headers, URLs, time and the hash of its body. Rows never change.

    An id is yyyymm * SERIALS + serial: the month of recording and a number. Rows from before there were
    months, and rows whose month had no partition, have the serial alone.
    """

    __tablename__ = "captures"
    __table_args__ = {  # noqa: RUF012
        "comment": "Answers of the server; a trigger refuses every change of a row",
        "postgresql_partition_by": "RANGE (id)",
    }

    id: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, server_default=text("partitions.new_capture_id()")
    )
    address_id: Mapped[int | None] = mapped_column(ForeignKey("addresses.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"), index=True)
    requested_url: Mapped[str] = mapped_column(PublicAddress)
    final_url: Mapped[str] = mapped_column(PublicAddress)
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[list[Any]] = mapped_column(
        PublicHeaders, comment="pairs of name and value, in order; no cookies"
    )
    body_size: Mapped[int] = mapped_column(Integer, comment="bytes, uncompressed")
    sha256: Mapped[bytes] = mapped_column(
        LargeBinary, ForeignKey("bodies.sha256"), index=True, comment="SHA-256 of the uncompressed body"
    )
    fetched_at: Mapped[datetime]
    rendered: Mapped[bool] = mapped_column(comment="a browser's DOM, not served bytes")
    evaluated: Mapped[dict[str, Any] | None] = mapped_column(
        comment="of a rendered page: its scripts' own variables, and the text shown"
    )


class ParseResult(Base):
    """What a parser made of a capture. The newest of a capture is the current one."""

    __tablename__ = "parse_results"
    __table_args__ = (
        Index(
            "uq__parse_results__capture_id", "capture_id", unique=True, postgresql_where=text("is_current")
        ),
        CheckConstraint(one_of("outcome", Outcome), name="outcome"),
        {"comment": "What parsers made of captures; rows are only ever added"},
    )

    id: Mapped[Key]
    capture_id: Mapped[int] = mapped_column(ForeignKey("captures.id"), index=True)
    parser_version: Mapped[int | None] = mapped_column(Integer)
    outcome: Mapped[str]
    reason: Mapped[str] = mapped_column(
        server_default="", comment="message, as JSON; empty where it says nothing"
    )
    parsed_at: Mapped[datetime | None] = mapped_column(comment="NULL: before this was recorded")
    is_current: Mapped[bool] = mapped_column(comment="the newest of its capture; the only value that changes")


class UnparsedCapture(Base):
    """A capture that no parser has read yet: work for the next run."""

    __tablename__ = "unparsed_captures"
    __table_args__ = {"comment": "Work list: captures that are stored and not parsed yet"}  # noqa: RUF012

    capture_id: Mapped[int] = mapped_column(ForeignKey("captures.id"), primary_key=True)


class RepeatedCapture(Base):
    """A run that brought a capture again that was archived already."""

    __tablename__ = "repeated_captures"
    __table_args__ = (
        UniqueConstraint("capture_id", "run_id"),
        {"comment": "Runs that brought a capture again; rows are only ever added"},
    )

    id: Mapped[Key]
    capture_id: Mapped[int] = mapped_column(ForeignKey("captures.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)


class Removal(Base):
    """What `forget` removed from the archive, as far as one hash chain is concerned."""

    __tablename__ = "removals"
    __table_args__ = {"comment": "What was removed on purpose; rows are only ever added"}  # noqa: RUF012

    id: Mapped[Key]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"), index=True)
    biz: Mapped[str] = mapped_column(comment="the account, as in chains")
    reason: Mapped[str] = mapped_column(comment="as the operator gave it; may be empty")
    removed_at: Mapped[datetime]
    removed: Mapped[dict[str, Any]] = mapped_column(
        comment="posts, chain entries with the hashes of their rows, addresses, media files, counts"
    )


_IS_FACT_KIND = (
    "fact_kind IN ('account', 'address', 'sighting', 'parse_result', 'post', 'post_media',"
    " 'post_links', 'absences', 'file')"
)


class Chain(Base):
    """The head of an account's hash chain."""

    __tablename__ = "chains"
    __table_args__ = {"comment": "Chains of hashes over captures, versions, removals and facts: their heads"}  # noqa: RUF012

    id: Mapped[Key]
    biz: Mapped[str] = mapped_column(
        unique=True, comment="the account; empty: captures of addresses that do not tell their account"
    )
    length: Mapped[int] = mapped_column(server_default="0", comment="how many entries there are")
    digest: Mapped[bytes] = mapped_column(
        LargeBinary, comment="of the last entry, 32 bytes; zeros while there is none"
    )


class ChainEntry(Base):
    """An entry of a hash chain. digest = SHA-256(digest of the entry before || content_digest)."""

    __tablename__ = "chain_entries"
    __table_args__ = (
        UniqueConstraint("chain_id", "position"),
        CheckConstraint(
            "CASE WHEN fact_kind IS NULL"
            " THEN fact_id IS NULL AND num_nonnulls(capture_id, version_id, removal_id, removed_by_id) = 1"
            " ELSE fact_id IS NOT NULL AND num_nonnulls(capture_id, version_id, removal_id) = 0 END",
            name="one_subject",
        ),
        CheckConstraint(
            _IS_FACT_KIND,
            name="fact_kind",
        ),
        Index(None, "fact_id", "fact_kind", postgresql_where=text("fact_kind IS NOT NULL")),
        {"comment": "Links of the chains; rows are only ever added, and marked when their row is removed"},
    )

    id: Mapped[Key]
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    position: Mapped[int] = mapped_column(comment="from 1, without holes")
    capture_id: Mapped[int | None] = mapped_column(ForeignKey("captures.id"), unique=True)
    version_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"), unique=True)
    removal_id: Mapped[int | None] = mapped_column(ForeignKey("removals.id"), unique=True)
    removed_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("removals.id"), index=True, comment="the removal that removed the row of this entry"
    )
    content_digest: Mapped[bytes] = mapped_column(
        LargeBinary, comment="SHA-256 of what the row holds, by the rule of docs/reference/integrity.md"
    )
    digest: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256, 32 bytes")
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())
    fact_kind: Mapped[str | None] = mapped_column(comment="what a fact is about; NULL: no fact")
    fact_id: Mapped[int | None] = mapped_column(comment="id of the row that the fact belongs to")


class PendingFact(Base):
    """A fact that the web has stored, and that the owner's next transaction appends to a chain."""

    __tablename__ = "pending_facts"
    __table_args__ = (
        CheckConstraint(_IS_FACT_KIND, name="fact_kind"),
        {"comment": "Facts that readers stored and no chain has yet"},
    )

    id: Mapped[Key]
    fact_kind: Mapped[str]
    fact_id: Mapped[int]


class Head(Base):
    """The head of the whole archive at one moment: it vouches for all chains."""

    __tablename__ = "heads"
    __table_args__ = {"comment": "Heads of the archive: one hash over the heads of all chains"}  # noqa: RUF012

    id: Mapped[Key]
    taken_at: Mapped[datetime]
    digest: Mapped[bytes] = mapped_column(
        LargeBinary, unique=True, comment="SHA-256 of the list of all chains' heads, 32 bytes"
    )


class HeadLength(Base):
    """The length of a chain at a head; of a chain that has not grown since, an earlier head has it."""

    __tablename__ = "head_lengths"
    __table_args__ = (
        UniqueConstraint("chain_id", "head_id"),
        {"comment": "Lengths of chains at the heads of the archive, where they differ from the head before"},
    )

    id: Mapped[Key]
    head_id: Mapped[int] = mapped_column(ForeignKey("heads.id"))
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    length: Mapped[int]

"""chains and chain_entries: what makes a removed or changed capture or version show."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class Chain(Base):
    """The head of one account's chain of hashes."""

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
    """One link of a chain. digest = SHA-256(digest of the one before || content)."""

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
        LargeBinary, comment="SHA-256 of what the row holds, by the rule of docs/integrity.md"
    )
    digest: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256, 32 bytes")
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())

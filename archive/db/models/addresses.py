"""Tables of the addresses of posts, and of where they were seen."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    cast,
    func,
    text,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column

from archive.db.models.base import Base, Key, one_of
from archive.domain.outcomes import FORGOTTEN, NO_ANSWER, NOT_RENDERED, Outcome

# Of what identifies an address, exactly one is there: its numbers, the token of a short link, another key.
ONE_IDENTITY = (
    "num_nonnulls(mid, short_token, other_key) = 1 AND num_nulls(mid, idx) <> 1"
    " AND (mid IS NULL OR biz IS NOT NULL) AND (short_token IS NULL OR biz IS NULL)"
)


class Address(Base):
    """An address of a post: when to fetch it next, and which run has claimed it."""

    __tablename__ = "addresses"
    __table_args__ = (
        # The number comes first: it selects best, and addresses of many accounts are looked up at once.
        Index(
            "uq__addresses__mid_idx_biz",
            "mid",
            "idx",
            "biz",
            unique=True,
            postgresql_where=text("mid IS NOT NULL"),
        ),
        Index(
            "uq__addresses__short_token",
            "short_token",
            unique=True,
            postgresql_where=text("short_token IS NOT NULL"),
        ),
        Index(
            "uq__addresses__other_key",
            "other_key",
            unique=True,
            postgresql_where=text("other_key IS NOT NULL"),
        ),
        CheckConstraint(ONE_IDENTITY, name="one_identity"),
        Index(None, "next_fetch_at", postgresql_where=text("next_fetch_at IS NOT NULL")),
        Index(None, "account_id", "aid"),
        CheckConstraint(
            one_of("last_outcome", Outcome, NO_ANSWER, NOT_RENDERED, FORGOTTEN), name="last_outcome"
        ),
        Index(
            "ix__addresses__fetch_order",
            text("derived.is_bare(short_token, url)"),
            text("derived.has_failed(last_outcome)"),
            text("derived.failed_at(last_outcome, last_tried_at)"),
            "attempts",
            text("(short_token IS NULL)"),
            "next_fetch_at",
            "id",
            postgresql_where=text("next_fetch_at IS NOT NULL"),
        ),
        Index(
            "ix__addresses__bare_next_fetch_at",
            "next_fetch_at",
            postgresql_where=text("derived.is_bare(short_token, url) AND next_fetch_at IS NOT NULL"),
        ),
        Index(
            "ix__addresses__bare_refused_at",
            "last_tried_at",
            postgresql_where=text("derived.is_bare(short_token, url) AND derived.is_refused(last_outcome)"),
        ),
        Index(None, "last_tried_at"),
        Index(
            "ix__addresses__other_post",
            "last_tried_at",
            postgresql_where=text("derived.gave_other_post(last_reason)"),
        ),
        Index(
            "ix__addresses__forgotten",
            "account_id",
            "aid",
            postgresql_where=text("last_outcome = 'forgotten'"),
        ),
        {"comment": "Addresses of posts: the crawl's work list"},
    )

    id: Mapped[Key]
    biz: Mapped[str | None] = mapped_column(comment="__biz of a long address, whether or not it is archived")
    mid: Mapped[int | None] = mapped_column(comment="of a long address: number of the push")
    idx: Mapped[int | None] = mapped_column(SmallInteger, comment="of a long address: position in the push")
    short_token: Mapped[str | None] = mapped_column(comment="of a short link: TOKEN of /s/TOKEN")
    other_key: Mapped[str | None] = mapped_column(
        comment="biz:mid:idx as written, where the numbers begin with zeros"
    )
    url: Mapped[str] = mapped_column(
        comment="best address known; one with chksm is never replaced by a bare one"
    )
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    aid: Mapped[str | None] = mapped_column(comment="mid_idx; NULL while only a short link is known")
    expected_biz: Mapped[str | None] = mapped_column(
        comment="account whose sources told of it; a post of another is not taken. NULL: anybody's"
    )
    attempts: Mapped[int] = mapped_column(
        Integer, server_default="0", comment="in a row without a final answer"
    )
    last_outcome: Mapped[str | None] = mapped_column(
        comment="outcome of the last answer, or no_answer, or not_drawn"
    )
    last_reason: Mapped[str] = mapped_column(server_default="")
    last_tried_at: Mapped[datetime | None]
    next_fetch_at: Mapped[datetime | None] = mapped_column(comment="when it is due; NULL: not to be asked")
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_by_run_id: Mapped[int | None] = mapped_column(
        ForeignKey("runs.id"), index=True, comment="the last run that was to fetch it"
    )
    claimed_until: Mapped[datetime | None] = mapped_column(
        comment="no other run takes it before, unless that run has finished or its process is gone"
    )

    # What equal addresses share, as `Address.key` is written: `biz:mid:idx`, or `s/TOKEN` of a short link.
    key: Mapped[str] = column_property(
        func.coalesce(
            biz + ":" + cast(mid, Text) + ":" + cast(idx, Text),
            "s/" + short_token,
            other_key,
        )
    )


class Sighting(Base):
    """Where an address was seen: once per source and spelling, with the first and the last time."""

    __tablename__ = "sightings"
    __table_args__ = (
        UniqueConstraint("address_id", "source", "url"),
        {"comment": "Where an address was seen, by which source, and what the listing said"},
    )

    id: Mapped[Key]
    address_id: Mapped[int] = mapped_column(ForeignKey("addresses.id"))
    run_id: Mapped[int | None] = mapped_column(
        ForeignKey("runs.id"), index=True, comment="run that first saw it"
    )
    last_run_id: Mapped[int | None] = mapped_column(
        ForeignKey("runs.id"), index=True, comment="run that saw it last"
    )
    source: Mapped[str]
    url: Mapped[str] = mapped_column(comment="as the source wrote it")
    title: Mapped[str] = mapped_column(server_default="")
    listing: Mapped[dict[str, Any] | None]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]

"""Tables of operation: runs, pieces of scheduled or manual work, and incidents."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, select, text
from sqlalchemy.orm import Mapped, column_property, mapped_column

from archive.db.models.accounts import Account, Egress, Source
from archive.db.models.base import Base, Key, one_of
from archive.domain.messages import Message
from archive.domain.monitoring import IncidentKind, IncidentSubject, remedy_for
from archive.domain.outcomes import RunStatus

_IS_OBJECT = "jsonb_typeof({}) = 'object'"


class Run(Base):
    """One run: what it was asked, what it got, how it ended."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix__runs__command", "command", "id"),
        Index("ix__runs__command_started_at", "command", "started_at"),
        Index(None, "command", "status", "id"),
        Index("ix__runs__open", "command", postgresql_where=text("finished_at IS NULL")),
        CheckConstraint(one_of("status", RunStatus), name="status"),
        CheckConstraint(_IS_OBJECT.format("arguments"), name="arguments"),
        CheckConstraint(
            _IS_OBJECT.format("counts")
            + " AND NOT jsonb_path_exists(counts, '$.* ? (@.type() != \"number\")')",
            name="counts",
        ),
        CheckConstraint(_IS_OBJECT.format("reasons"), name="reasons"),
        {"comment": "What was done, when, and how it ended"},
    )

    id: Mapped[Key]
    command: Mapped[str]
    egress_id: Mapped[int | None] = mapped_column(
        ForeignKey("egresses.id"), comment="the egress it goes through; NULL while it has none"
    )
    arguments: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"),
        comment="options by name: numbers, booleans, lists; paths, addresses and dates (ISO 8601) as strings",
    )
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None] = mapped_column(comment="NULL while running, or when it was killed")
    status: Mapped[str | None] = mapped_column(
        comment="done, partly_failed, nothing_fetched, verification …; NULL until it is finished"
    )
    counts: Mapped[dict[str, int]] = mapped_column(
        server_default=text("'{}'"), comment="numbers by name; those of a group as outcomes.article"
    )
    reasons: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"), comment="by the name of a count, the first reason given for it"
    )


class Incident(Base):
    """One incident, named by a message code. While it lasts there is no second one about the same subject."""

    __tablename__ = "incidents"
    __table_args__ = (
        Index(
            "uq__incidents__subject",
            "kind",
            "account_id",
            "source_id",
            "egress_id",
            "capture_id",
            "subject",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(None, "closed_at"),
        Index("ix__incidents__opened_at", "opened_at", "id"),
        Index(None, "kind", "opened_notified_at"),
        Index(
            "ix__incidents__end_not_notified",
            "opened_at",
            postgresql_where=text(
                "closed_at IS NOT NULL AND opened_notified_at IS NOT NULL AND closed_notified_at IS NULL"
            ),
        ),
        CheckConstraint(one_of("kind", IncidentKind), name="kind"),
        CheckConstraint(_IS_OBJECT.format("params"), name="params"),
        {"comment": "Alarms: one row from the beginning of an incident to its end"},
    )

    id: Mapped[Key]
    kind: Mapped[str] = mapped_column(comment="what is wrong: quiet, source, disk …; its codes may change")
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    source_id: Mapped[int | None] = mapped_column(ForeignKey("sources.id"), index=True)
    egress_id: Mapped[int | None] = mapped_column(ForeignKey("egresses.id"))
    capture_id: Mapped[int | None] = mapped_column(comment="it may have been removed since")
    subject: Mapped[str] = mapped_column(
        server_default="", comment="of what has no row: a folder, a kind of job, a source not stored"
    )
    code: Mapped[str] = mapped_column(comment="message code of what is wrong; its remedy is CODE.remedy")
    params: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"),
        comment="parameters of the message; of archive.verbatim the sentences of an earlier version",
    )
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    closed_at: Mapped[datetime | None] = mapped_column(comment="NULL while it lasts")
    opened_notified_at: Mapped[datetime | None] = mapped_column(comment="when the alarm went out")
    closed_notified_at: Mapped[datetime | None] = mapped_column(comment="when its end was reported")

    # A change of the row changes none of these names: they stay readable when the session is closed.
    biz: Mapped[str | None] = column_property(
        select(Account.biz).where(Account.id == account_id).scalar_subquery(), expire_on_flush=False
    )
    source: Mapped[str | None] = column_property(
        select(func.concat_ws(":", Source.type, Source.external_id))
        .where(Source.id == source_id)
        .scalar_subquery(),
        expire_on_flush=False,
    )
    egress: Mapped[str | None] = column_property(
        select(Egress.name).where(Egress.id == egress_id).scalar_subquery(), expire_on_flush=False
    )

    @property
    def key(self) -> str:
        """Return what it is about as one string, such as `source:BIZ:album:1`."""
        return IncidentSubject(
            IncidentKind(self.kind),
            self.biz or "",
            self.source or "",
            self.egress or "",
            self.capture_id,
            self.subject,
        ).key

    @property
    def message(self) -> Message:
        """Return what is wrong."""
        return Message.from_json({"code": self.code, "params": self.params})

    @property
    def remedy_message(self) -> Message:
        """Return what to do about it."""
        return remedy_for(self.message)

    @property
    def words(self) -> str:
        """Return what is wrong, in English."""
        return str(self.message)

    @property
    def remedy(self) -> str:
        """Return what to do about it, in English."""
        return str(self.remedy_message)

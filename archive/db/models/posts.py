"""Tables of posts with their versions, absences, links and media."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    literal,
    select,
    text,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, aliased, column_property, mapped_column

from archive.db.models.base import Base, Key, one_of
from archive.domain.outcomes import Kind, MediumOutcome, MediumType, Outcome, Relation, Role
from archive.domain.update_decisions import DUMP, PAGE, REPARSE


class Version(Base):
    """A version of a post's title and text; rows are only added."""

    __tablename__ = "versions"
    __table_args__ = (
        UniqueConstraint("post_id", "number"),
        CheckConstraint(one_of("source", (PAGE, REPARSE, DUMP)), name="source"),
        {"comment": "States of a post's text; rows are only ever added"},
    )

    id: Mapped[Key]
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id"))
    number: Mapped[int] = mapped_column(Integer, comment="1 for the first")
    title: Mapped[str]
    text: Mapped[str]
    content_hash: Mapped[str]
    source: Mapped[str] = mapped_column(comment="page, dump, …")
    capture_id: Mapped[int | None] = mapped_column(ForeignKey("captures.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    parser_version: Mapped[int | None] = mapped_column(Integer)
    recorded_at: Mapped[datetime]


_CURRENT = aliased(Version)


class Post(Base):
    """A post: the record's six fields, and what else its page says."""

    __tablename__ = "posts"
    __table_args__ = (
        UniqueConstraint("account_id", "aid"),
        Index(None, "published_on"),
        Index(None, "account_id", "published_on"),
        Index(None, "account_name"),
        CheckConstraint(one_of("kind", Kind), name="kind"),
        CheckConstraint(one_of("source", (PAGE, DUMP)), name="source"),
        {"comment": "Posts, once per account and aid"},
    )

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    aid: Mapped[str] = mapped_column(comment="mid_idx")
    mid: Mapped[int] = mapped_column(comment="number of the push within the account")
    idx: Mapped[int] = mapped_column(SmallInteger, comment="place within the push")
    title: Mapped[str]
    url: Mapped[str]
    published_on: Mapped[date] = mapped_column(comment="date in Asia/Shanghai")
    account_name: Mapped[str] = mapped_column(comment="the account's name when the post was published")
    html: Mapped[str | None] = mapped_column(
        comment="the body's HTML as its page holds it, not made safe; NULL where only the text is known"
    )
    published_at: Mapped[datetime | None] = mapped_column(comment="instant, where the page told it")
    kind: Mapped[str | None] = mapped_column(comment="NULL until the page has been read")
    page_metadata: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    content_hash: Mapped[str] = mapped_column(comment="of title and text, with the hash's version")
    source: Mapped[str] = mapped_column(comment="what the current state comes from: page, dump, …")
    capture_id: Mapped[int | None] = mapped_column(ForeignKey("captures.id"), index=True)
    current_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("versions.id", use_alter=True),
        index=True,
        comment="the version whose title and text are the current ones; NULL until a text is known",
    )
    first_archived_at: Mapped[datetime] = mapped_column(server_default=func.now())

    # finalContent, of the current version; empty until a text is known
    text: Mapped[str] = column_property(
        func.coalesce(
            select(_CURRENT.text).where(_CURRENT.id == current_version_id).scalar_subquery(), literal("")
        )
    )


class Absence(Base):
    """A time during which a post was unavailable: deleted, taken down, private. At most one lasts."""

    __tablename__ = "absences"
    __table_args__ = (
        Index("uq__absences__post_id", "post_id", unique=True, postgresql_where=text("returned_at IS NULL")),
        CheckConstraint(one_of("outcome", [one for one in Outcome if one.is_away]), name="outcome"),
        {"comment": "When posts were not to be had, by their own addresses, and the reason their pages gave"},
    )

    id: Mapped[Key]
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id"), index=True)
    outcome: Mapped[str] = mapped_column(comment="deleted, violation, private, unavailable or migrated")
    reason: Mapped[str] = mapped_column(server_default="", comment="the page's own sentence")
    last_seen_at: Mapped[datetime | None] = mapped_column(
        comment="when its page was there for the last time; NULL: its page was never seen"
    )
    first_missing_at: Mapped[datetime] = mapped_column(comment="the first answer without it")
    last_missing_at: Mapped[datetime] = mapped_column(comment="the latest answer without it")
    capture_id: Mapped[int] = mapped_column(
        ForeignKey("captures.id"), index=True, comment="the first answer without it"
    )
    returned_at: Mapped[datetime | None] = mapped_column(comment="NULL while it is away")
    returned_capture_id: Mapped[int | None] = mapped_column(ForeignKey("captures.id"), index=True)


class PostLink(Base):
    """A link of a post: to another post, a topic, an album, a mini-program, a page."""

    __tablename__ = "post_links"
    __table_args__ = (
        UniqueConstraint("post_id", "relation", "key"),
        CheckConstraint(one_of("relation", Relation), name="relation"),
        Index(None, "relation", "key"),
        {"comment": "What posts lead to; of the current page where capture_id is the post's"},
    )

    id: Mapped[Key]
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id"))
    capture_id: Mapped[int] = mapped_column(
        ForeignKey("captures.id"), index=True, comment="the newest page that has it"
    )
    relation: Mapped[str] = mapped_column(
        comment="post, topic, album, previous, next, mini_program, account, source, reprint or web"
    )
    key: Mapped[str] = mapped_column(
        comment="what it leads to: key of a post's address, id of an album or topic, biz, appid, address"
    )
    url: Mapped[str] = mapped_column(comment="as the page gives it; empty where it gives none")
    text: Mapped[str] = mapped_column(comment="the words of the link")
    position: Mapped[int] = mapped_column(Integer, comment="within the relation, from 0")
    page_metadata: Mapped[dict[str, Any]] = mapped_column(
        server_default=sql("'{}'"), comment="what else the page tells"
    )


class PostSearchDocument(Base):
    """A post as search sees it; computed from `posts`, and can be computed again."""

    __tablename__ = "post_search_documents"
    __table_args__ = (
        Index("ix__post_search_documents__grams", text("search_grams(words)"), postgresql_using="gin"),
        Index(None, "published_on", "post_id"),
        Index(None, "account_id", "published_on", "post_id"),
        CheckConstraint(one_of("kind", Kind), name="kind"),
        {"comment": "The words of posts, for search: computed from their titles and texts"},
    )

    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    published_on: Mapped[date] = mapped_column(comment="date in Asia/Shanghai")
    kind: Mapped[str | None]
    words: Mapped[str] = mapped_column(
        Text(collation="C"), comment="title, newline, text, as a reader sees them, in small letters"
    )


class Medium(Base):
    """An image, audio or video that some post shows, or a style sheet, and when to download it next."""

    __tablename__ = "media"
    __table_args__ = (
        Index(None, "next_fetch_at", postgresql_where=text("next_fetch_at IS NOT NULL")),
        CheckConstraint(one_of("type", MediumType), name="type"),
        CheckConstraint(one_of("last_outcome", MediumOutcome), name="last_outcome"),
        Index(
            "ix__media__fetch_order",
            "attempts",
            "expires_at",
            text("(type = 'image')"),
            "next_fetch_at",
            "id",
            postgresql_where=text("next_fetch_at IS NOT NULL"),
        ),
        Index(None, "expires_at", postgresql_where=text("next_fetch_at IS NOT NULL")),
        Index(
            "ix__media__due_styles",
            "id",
            postgresql_where=text("type = 'style' AND next_fetch_at IS NOT NULL"),
        ),
        Index(
            "ix__media__waits_until",
            text("LEAST(next_fetch_at, expires_at)"),
            postgresql_where=text("next_fetch_at IS NOT NULL"),
        ),
        {"comment": "Images, audios and videos of posts, and style sheets: the work list of their downloads"},
    )

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(
        unique=True, comment="address, or id of what has a signed one; too long for an index: sha256:…"
    )
    url: Mapped[str] = mapped_column(comment="the newest address known; empty where the page gives none")
    type: Mapped[str] = mapped_column(comment="image, audio, video or style (a style sheet)")
    file_id: Mapped[int | None] = mapped_column(
        ForeignKey("files.id"), index=True, comment="NULL until it was downloaded"
    )
    attempts: Mapped[int] = mapped_column(Integer, server_default="0", comment="in a row without a file")
    last_outcome: Mapped[str | None] = mapped_column(comment="kept, refused or failed")
    last_reason: Mapped[str] = mapped_column(server_default="", comment="why there is no file")
    last_tried_at: Mapped[datetime | None]
    next_fetch_at: Mapped[datetime | None] = mapped_column(comment="when it is due; NULL: not to be asked")
    expires_at: Mapped[datetime | None] = mapped_column(comment="when a signed address stops working")
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class File(Base):
    """A file in the media folder."""

    __tablename__ = "files"
    __table_args__ = {"comment": "Files in the media folder, once per content"}  # noqa: RUF012

    id: Mapped[Key]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True, comment="of the content, 32 bytes")
    size: Mapped[int] = mapped_column(comment="bytes")
    media_type: Mapped[str] = mapped_column(comment="by content, as image/png")
    width: Mapped[int | None] = mapped_column(Integer, comment="pixels, of an image")
    height: Mapped[int | None] = mapped_column(Integer, comment="pixels, of an image")
    path: Mapped[str] = mapped_column(comment="within the media folder")
    first_stored_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PostMedium(Base):
    """A medium in a post."""

    __tablename__ = "post_media"
    __table_args__ = (
        UniqueConstraint("post_id", "role", "medium_id"),
        CheckConstraint(one_of("role", Role), name="role"),
        {"comment": "Media of posts; of the current page where capture_id is the post's"},
    )

    id: Mapped[Key]
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id"))
    medium_id: Mapped[int] = mapped_column(ForeignKey("media.id"), index=True)
    capture_id: Mapped[int] = mapped_column(
        ForeignKey("captures.id"), index=True, comment="the newest page that shows it"
    )
    role: Mapped[str] = mapped_column(comment="image, cover, poster, audio or video")
    position: Mapped[int] = mapped_column(Integer, comment="first place within the role, from 0")
    page_metadata: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"),
        comment="what else the page tells: alt, width, height, duration_ms, bytes …",
    )

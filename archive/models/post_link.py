"""post_links: what posts lead to."""

from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class PostLink(Base):
    """A link of a post: to another post, a topic, an album, a mini-program, a page."""

    __tablename__ = "post_links"
    __table_args__ = (
        UniqueConstraint("post_id", "relation", "key"),
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
        comment="what it leads to: addresses.key of a post, id of an album or topic, biz, appid, address"
    )
    url: Mapped[str] = mapped_column(comment="as the page gives it; empty where it gives none")
    text: Mapped[str] = mapped_column(comment="the words of the link")
    position: Mapped[int] = mapped_column(comment="within the relation, from 0")
    facts: Mapped[dict[str, Any]] = mapped_column(
        server_default=sql("'{}'"), comment="what else the page tells"
    )

"""Add the media of posts, their links, their bodies' HTML, and what a browser saw in a page's scripts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"

down_revision = "0001"

branch_labels = None

depends_on = None


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False, comment="of the content, 32 bytes"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes"),
        sa.Column("media_type", sa.Text(), nullable=False, comment="by content, as image/png"),
        sa.Column("width", sa.BigInteger(), nullable=True, comment="pixels, of an image"),
        sa.Column("height", sa.BigInteger(), nullable=True, comment="pixels, of an image"),
        sa.Column("path", sa.Text(), nullable=False, comment="within the media folder"),
        sa.Column(
            "first_stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__files")),
        sa.UniqueConstraint("sha256", name=op.f("uq__files__sha256")),
        comment="Files in the media folder, once per content",
    )
    op.create_table(
        "media",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "key",
            sa.Text(),
            nullable=False,
            comment="address, or id of what has a signed one; too long for an index: sha256:…",
        ),
        sa.Column(
            "url",
            sa.Text(),
            nullable=False,
            comment="the newest address known; empty where the page gives none",
        ),
        sa.Column("type", sa.Text(), nullable=False, comment="image, audio or video"),
        sa.Column("file_id", sa.BigInteger(), nullable=True, comment="NULL until it was downloaded"),
        sa.Column(
            "attempts", sa.BigInteger(), server_default="0", nullable=False, comment="in a row without a file"
        ),
        sa.Column("last_outcome", sa.Text(), nullable=True, comment="kept, refused or failed"),
        sa.Column(
            "last_reason", sa.Text(), server_default="", nullable=False, comment="why there is no file"
        ),
        sa.Column("last_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "next_fetch_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it is due; NULL: not to be asked",
        ),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a signed address stops working",
        ),
        sa.Column(
            "first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk__media__file_id__files")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__media")),
        sa.UniqueConstraint("key", name=op.f("uq__media__key")),
        comment="Images, audios and videos of posts: the work list of their downloads",
    )
    op.create_index(op.f("ix__media__file_id"), "media", ["file_id"], unique=False)
    op.create_index(
        op.f("ix__media__next_fetch_at"),
        "media",
        ["next_fetch_at"],
        unique=False,
        postgresql_where=sa.text("next_fetch_at IS NOT NULL"),
    )
    op.create_table(
        "post_links",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("capture_id", sa.BigInteger(), nullable=False, comment="the newest page that has it"),
        sa.Column(
            "relation",
            sa.Text(),
            nullable=False,
            comment="post, topic, album, previous, next, mini_program, account, source, reprint or web",
        ),
        sa.Column(
            "key",
            sa.Text(),
            nullable=False,
            comment="what it leads to: addresses.key of a post, id of an album or topic, biz, appid, address",
        ),
        sa.Column(
            "url", sa.Text(), nullable=False, comment="as the page gives it; empty where it gives none"
        ),
        sa.Column("text", sa.Text(), nullable=False, comment="the words of the link"),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="within the relation, from 0"),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="what else the page tells",
        ),
        sa.ForeignKeyConstraint(
            ["capture_id"], ["captures.id"], name=op.f("fk__post_links__capture_id__captures")
        ),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk__post_links__post_id__posts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__post_links")),
        sa.UniqueConstraint("post_id", "relation", "key", name=op.f("uq__post_links__post_id_relation_key")),
        comment="What posts lead to; of the current page where capture_id is the post's",
    )
    op.create_index(op.f("ix__post_links__capture_id"), "post_links", ["capture_id"], unique=False)
    op.create_index(op.f("ix__post_links__relation_key"), "post_links", ["relation", "key"], unique=False)
    op.create_table(
        "post_media",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("medium_id", sa.BigInteger(), nullable=False),
        sa.Column("capture_id", sa.BigInteger(), nullable=False, comment="the newest page that shows it"),
        sa.Column("role", sa.Text(), nullable=False, comment="image, cover, poster, audio or video"),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="first place within the role, from 0"),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="what else the page tells: alt, width, height, duration_ms, bytes …",
        ),
        sa.ForeignKeyConstraint(
            ["capture_id"], ["captures.id"], name=op.f("fk__post_media__capture_id__captures")
        ),
        sa.ForeignKeyConstraint(["medium_id"], ["media.id"], name=op.f("fk__post_media__medium_id__media")),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk__post_media__post_id__posts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__post_media")),
        sa.UniqueConstraint(
            "post_id", "role", "medium_id", name=op.f("uq__post_media__post_id_role_medium_id")
        ),
        comment="Media of posts; of the current page where capture_id is the post's",
    )
    op.create_index(op.f("ix__post_media__capture_id"), "post_media", ["capture_id"], unique=False)
    op.create_index(op.f("ix__post_media__medium_id"), "post_media", ["medium_id"], unique=False)
    op.add_column(
        "captures",
        sa.Column(
            "evaluated",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="of a rendered page: its scripts' own variables, and the text shown",
        ),
    )
    op.add_column(
        "posts",
        sa.Column(
            "html",
            sa.Text(),
            nullable=True,
            comment="the body's HTML as its page holds it, not made safe; NULL where only the text is known",
        ),
    )
    op.alter_column(
        "addresses",
        "last_outcome",
        existing_type=sa.Text(),
        existing_nullable=True,
        comment="outcome of the last answer, or no_answer, or not_drawn",
        existing_comment="outcome of the last answer, or no_answer",
    )


def downgrade() -> None:
    op.alter_column(
        "addresses",
        "last_outcome",
        existing_type=sa.Text(),
        existing_nullable=True,
        comment="outcome of the last answer, or no_answer",
        existing_comment="outcome of the last answer, or no_answer, or not_drawn",
    )
    op.drop_column("posts", "html")
    op.drop_column("captures", "evaluated")
    op.drop_index(op.f("ix__post_media__medium_id"), table_name="post_media")
    op.drop_index(op.f("ix__post_media__capture_id"), table_name="post_media")
    op.drop_table("post_media")
    op.drop_index(op.f("ix__post_links__relation_key"), table_name="post_links")
    op.drop_index(op.f("ix__post_links__capture_id"), table_name="post_links")
    op.drop_table("post_links")
    op.drop_index(
        op.f("ix__media__next_fetch_at"),
        table_name="media",
        postgresql_where=sa.text("next_fetch_at IS NOT NULL"),
    )
    op.drop_index(op.f("ix__media__file_id"), table_name="media")
    op.drop_table("media")
    op.drop_table("files")

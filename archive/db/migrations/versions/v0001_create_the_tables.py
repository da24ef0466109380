"""Create the archive's tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"

down_revision = None

branch_labels = None

depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("biz", sa.Text(), nullable=False, comment="__biz, the account's identity"),
        sa.Column(
            "name",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="name as last seen; each post keeps its own",
        ),
        sa.Column("user_name", sa.Text(), server_default="", nullable=False, comment="gh_… where known"),
        sa.Column(
            "first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__accounts")),
        sa.UniqueConstraint("biz", name=op.f("uq__accounts__biz")),
        comment="Official accounts, by WeChat's own identifier",
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column(
            "arguments",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "finished_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="NULL while running, or when it was killed",
        ),
        sa.Column(
            "verdict",
            sa.Text(),
            nullable=True,
            comment="done, partly_failed, nothing_fetched, verification, …",
        ),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__runs")),
        comment="What was done, when, and how it ended",
    )
    op.create_table(
        "addresses",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="biz:mid:idx, or s/TOKEN of a short link"),
        sa.Column(
            "url",
            sa.Text(),
            nullable=False,
            comment="best address known; one with chksm is never replaced by a bare one",
        ),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("aid", sa.Text(), nullable=True, comment="mid_idx; NULL while only a short link is known"),
        sa.Column(
            "attempts",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="in a row without a final answer",
        ),
        sa.Column(
            "last_outcome", sa.Text(), nullable=True, comment="outcome of the last answer, or no_answer"
        ),
        sa.Column("last_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("last_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "next_fetch_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it is due; NULL: not to be asked",
        ),
        sa.Column(
            "first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk__addresses__account_id__accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__addresses")),
        sa.UniqueConstraint("key", name=op.f("uq__addresses__key")),
        comment="Addresses of posts: the crawl's work list",
    )
    op.create_index(op.f("ix__addresses__account_id"), "addresses", ["account_id"], unique=False)
    op.create_index(
        op.f("ix__addresses__next_fetch_at"),
        "addresses",
        ["next_fetch_at"],
        unique=False,
        postgresql_where=sa.text("next_fetch_at IS NOT NULL"),
    )
    op.create_table(
        "captures",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("address_id", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("requested_url", sa.Text(), nullable=False),
        sa.Column("final_url", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column(
            "headers",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="pairs of name and value, in order; no cookies",
        ),
        sa.Column(
            "body",
            sa.LargeBinary(),
            nullable=False,
            comment="the bytes after content decoding, by body_encoding",
        ),
        sa.Column(
            "body_encoding",
            sa.Text(),
            nullable=False,
            comment="gzip: as the server sent it; zstd: one zstd frame",
        ),
        sa.Column("body_size", sa.BigInteger(), nullable=False, comment="bytes, uncompressed"),
        sa.Column("sha256", sa.LargeBinary(), nullable=False, comment="SHA-256 of the uncompressed body"),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rendered", sa.Boolean(), nullable=False, comment="a browser's DOM, not served bytes"),
        sa.Column("outcome", sa.Text(), nullable=True, comment="NULL until read"),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("parser_version", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["address_id"], ["addresses.id"], name=op.f("fk__captures__address_id__addresses")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk__captures__run_id__runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__captures")),
        comment="Answers of the server; written before they are read, never changed afterwards",
    )
    op.create_index(op.f("ix__captures__address_id"), "captures", ["address_id"], unique=False)
    op.create_index(
        op.f("ix__captures__id"),
        "captures",
        ["id"],
        unique=False,
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_index(op.f("ix__captures__run_id"), "captures", ["run_id"], unique=False)
    op.create_table(
        "sightings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("address_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True, comment="last run that saw it"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False, comment="as the source wrote it"),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("listing", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["address_id"], ["addresses.id"], name=op.f("fk__sightings__address_id__addresses")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk__sightings__run_id__runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__sightings")),
        sa.UniqueConstraint("address_id", "source", "url", name=op.f("uq__sightings__address_id_source_url")),
        comment="Where an address was seen, by which source, and what the listing said",
    )
    op.create_index(op.f("ix__sightings__run_id"), "sightings", ["run_id"], unique=False)
    op.create_table(
        "posts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("aid", sa.Text(), nullable=False, comment="mid_idx"),
        sa.Column("mid", sa.BigInteger(), nullable=False, comment="number of the push within the account"),
        sa.Column("idx", sa.BigInteger(), nullable=False, comment="place within the push"),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("published_on", sa.Date(), nullable=False, comment="date in Asia/Shanghai"),
        sa.Column(
            "account_name",
            sa.Text(),
            nullable=False,
            comment="the account's name when the post was published",
        ),
        sa.Column("text", sa.Text(), nullable=False, comment="finalContent"),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="instant, where the page told it",
        ),
        sa.Column("kind", sa.Text(), nullable=True, comment="NULL until the page has been read"),
        sa.Column(
            "facts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column(
            "content_hash", sa.Text(), nullable=False, comment="of title and text, with the hash's version"
        ),
        sa.Column(
            "source", sa.Text(), nullable=False, comment="what the current state comes from: page, dump, …"
        ),
        sa.Column("capture_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "first_archived_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk__posts__account_id__accounts")
        ),
        sa.ForeignKeyConstraint(
            ["capture_id"], ["captures.id"], name=op.f("fk__posts__capture_id__captures")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__posts")),
        sa.UniqueConstraint("account_id", "aid", name=op.f("uq__posts__account_id_aid")),
        comment="Posts, once per account and aid",
    )
    op.create_index(op.f("ix__posts__capture_id"), "posts", ["capture_id"], unique=False)
    op.create_index(op.f("ix__posts__published_on"), "posts", ["published_on"], unique=False)
    op.create_table(
        "versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="1 for the first"),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="page, dump, …"),
        sa.Column("capture_id", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("parser_version", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["capture_id"], ["captures.id"], name=op.f("fk__versions__capture_id__captures")
        ),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk__versions__post_id__posts")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk__versions__run_id__runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__versions")),
        sa.UniqueConstraint("post_id", "number", name=op.f("uq__versions__post_id_number")),
        comment="States of a post's text; rows are only ever added",
    )
    op.create_index(op.f("ix__versions__capture_id"), "versions", ["capture_id"], unique=False)
    # The body is compressed before it is stored; without this Postgres would try again, in vain.
    op.execute("ALTER TABLE captures ALTER COLUMN body SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_index(op.f("ix__versions__capture_id"), table_name="versions")
    op.drop_table("versions")
    op.drop_index(op.f("ix__posts__published_on"), table_name="posts")
    op.drop_index(op.f("ix__posts__capture_id"), table_name="posts")
    op.drop_table("posts")
    op.drop_index(op.f("ix__sightings__run_id"), table_name="sightings")
    op.drop_table("sightings")
    op.drop_index(op.f("ix__captures__run_id"), table_name="captures")
    op.drop_index(
        op.f("ix__captures__id"), table_name="captures", postgresql_where=sa.text("outcome IS NULL")
    )
    op.drop_index(op.f("ix__captures__address_id"), table_name="captures")
    op.drop_table("captures")
    op.drop_index(
        op.f("ix__addresses__next_fetch_at"),
        table_name="addresses",
        postgresql_where=sa.text("next_fetch_at IS NOT NULL"),
    )
    op.drop_index(op.f("ix__addresses__account_id"), table_name="addresses")
    op.drop_table("addresses")
    op.drop_table("runs")
    op.drop_table("accounts")

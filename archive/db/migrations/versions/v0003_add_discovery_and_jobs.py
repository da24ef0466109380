"""Add the sources of new posts, incidents, lines to the outside, and the queue of jobs."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"

down_revision = "0002"

branch_labels = None

depends_on = None


def upgrade() -> None:
    op.create_table(
        "egresses",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="MPARCHIVE_EGRESS of the machines behind it"),
        sa.Column(
            "seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when somebody last worked behind it",
        ),
        sa.Column(
            "blocks", sa.BigInteger(), server_default="0", nullable=False, comment="challenges in a row"
        ),
        sa.Column(
            "reason", sa.Text(), server_default="", nullable=False, comment="outcome of the last challenge"
        ),
        sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "blocked_until", sa.DateTime(timezone=True), nullable=True, comment="nothing is fetched before"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__egresses")),
        sa.UniqueConstraint("name", name=op.f("uq__egresses__name")),
        comment="Lines to the outside; a challenge holds back all that go through one",
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "key",
            sa.Text(),
            nullable=False,
            comment="what is wrong, and with what: quiet:BIZ, source:BIZ:album:1",
        ),
        sa.Column("words", sa.Text(), nullable=False, comment="what is wrong, for people"),
        sa.Column("remedy", sa.Text(), nullable=False, comment="what to do about it"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True, comment="NULL while it lasts"),
        sa.Column(
            "told_opened_at", sa.DateTime(timezone=True), nullable=True, comment="when the alarm went out"
        ),
        sa.Column(
            "told_closed_at", sa.DateTime(timezone=True), nullable=True, comment="when its end was reported"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__incidents")),
        comment="Alarms: one row from the beginning of an incident to its end",
    )
    op.create_index(
        "uq__incidents__key", "incidents", ["key"], unique=True, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="kind, and where there may be several, which: album:123, feed:…",
        ),
        sa.Column("state", sa.Text(), nullable=True, comment="crawler.discovery.State; NULL until tried"),
        sa.Column(
            "detail",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why it is in this state, in words",
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True, comment="when it came into this state"),
        sa.Column(
            "failures",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="tries in a row that were not good",
        ),
        sa.Column(
            "seen",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="posts it listed at the last try",
        ),
        sa.Column(
            "new",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="of these, addresses not known before",
        ),
        sa.Column(
            "newest_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="publication of the newest post it ever listed",
        ),
        sa.Column(
            "memory",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="what it keeps between tries: ETag, last page",
        ),
        sa.Column("last_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_good_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "next_try_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="NULL: as soon as somebody looks",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk__sources__account_id__accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__sources")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq__sources__account_id_name")),
        comment="Sources of new posts, per account, with their state",
    )
    op.add_column(
        "addresses",
        sa.Column(
            "expected_biz",
            sa.Text(),
            nullable=True,
            comment="account whose sources told of it; a post of another is not taken. NULL: anybody's",
        ),
    )
    _create_queue()


def _create_queue() -> None:
    """Create procrastinate's tables in a schema of their own (docs/explanation/adr/jobs-in-postgres.md).

    The SQL file is that of procrastinate 3.10. What a later procrastinate changes is applied from the files
    that it ships, by archive.db.queue_schema.
    """
    op.execute("CREATE SCHEMA jobs")
    op.execute("SET LOCAL search_path TO jobs")
    schema = Path(__file__).with_name("v0003_procrastinate_3_10.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(schema.replace("%", "%%"))
    op.execute("SET LOCAL search_path TO DEFAULT")


def downgrade() -> None:
    op.drop_column("addresses", "expected_biz")
    op.execute("DROP SCHEMA jobs CASCADE")
    op.drop_table("sources")
    op.drop_index("uq__incidents__key", table_name="incidents", postgresql_where=sa.text("closed_at IS NULL"))
    op.drop_table("incidents")
    op.drop_table("egresses")

"""Add what readers note of posts, and their saved searches: apart from the evidence, in no hash chain."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"

down_revision = "0019"

branch_labels = None

depends_on = None


def upgrade() -> None:
    op.create_table(
        "reader_notes",
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("is_starred", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "tags",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="sorted",
        ),
        sa.Column("note", sa.Text(), server_default="", nullable=False, comment="plain text of the reader"),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk__reader_notes__post_id__posts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk__reader_notes")),
        comment="Stars, tags and notes of the reader; no evidence",
    )
    op.create_index(op.f("ix__reader_notes__tags"), "reader_notes", ["tags"], postgresql_using="gin")
    op.create_table(
        "saved_searches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="given by the reader"),
        sa.Column(
            "query",
            postgresql.JSONB(none_as_null=True),
            nullable=False,
            comment="parameters of the search page by name",
        ),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("jsonb_typeof(query) = 'object'", name=op.f("ck__saved_searches__query")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__saved_searches")),
        sa.UniqueConstraint("name", name=op.f("uq__saved_searches__name")),
        comment="Searches that the reader saved; no evidence",
    )


def downgrade() -> None:
    op.drop_table("saved_searches")
    op.drop_table("reader_notes")

"""Name incidents by a message code with parameters; sentences of earlier versions stay as they are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"

down_revision = "0006"

branch_labels = None

depends_on = None

_CODE_COMMENT = "message code of what is wrong; its remedy is CODE.remedy"

# The columns that the row's seal covers, in the order of the table, as JSON values.
_SEALED = """
row_.id, row_.key, row_.opened_at AT TIME ZONE 'UTC', row_.last_seen_at AT TIME ZONE 'UTC',
row_.closed_at AT TIME ZONE 'UTC', row_.told_opened_at AT TIME ZONE 'UTC',
row_.told_closed_at AT TIME ZONE 'UTC', {last}
"""

_SEAL = """
CREATE OR REPLACE FUNCTION seal_of(row_ incidents) RETURNS bytea LANGUAGE sql STABLE AS
$$ SELECT sha256(convert_to(jsonb_build_array({values})::text, 'UTF8')) $$
"""


def upgrade() -> None:
    op.add_column("incidents", sa.Column("code", sa.Text(), comment=_CODE_COMMENT))
    op.add_column(
        "incidents",
        sa.Column(
            "params",
            postgresql.JSONB(),
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="parameters of the message",
        ),
    )
    op.execute(
        "UPDATE incidents SET code = 'archive.verbatim',"
        " params = jsonb_build_object('text', words, 'remedy', remedy)"
    )
    op.alter_column("incidents", "code", nullable=False)
    op.drop_column("incidents", "words")
    op.drop_column("incidents", "remedy")
    _seal("row_.code, row_.params")


def _seal(last: str) -> None:
    """Define the seal over today's columns, and seal all rows again: the trigger fills it in."""
    op.execute(_SEAL.format(values=_SEALED.format(last=last)))
    op.execute("UPDATE incidents SET seal = NULL")


def downgrade() -> None:
    op.add_column("incidents", sa.Column("words", sa.Text(), comment="what is wrong, for people"))
    op.add_column("incidents", sa.Column("remedy", sa.Text(), comment="what to do about it"))
    op.execute(
        "UPDATE incidents SET words = coalesce(params ->> 'text', code),"
        " remedy = coalesce(params ->> 'remedy', '')"
    )
    op.alter_column("incidents", "words", nullable=False)
    op.alter_column("incidents", "remedy", nullable=False)
    op.drop_column("incidents", "code")
    op.drop_column("incidents", "params")
    _seal("row_.words, row_.remedy")

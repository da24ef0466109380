"""Record what was removed on purpose, and which later runs brought again what a run brought first."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from archive.db.migrations.row_seals import seal, unseal

revision = "0009"

down_revision = "0008"

branch_labels = None

depends_on = None

_SUBJECT = "ck__chain_entries__one_subject"

_COMMENTS = {
    "chains": (
        "Chains of hashes over captures, versions and removals: their heads",
        "Chains of hashes over captures and versions, one an account: their heads",
    ),
    "chain_entries": (
        "Links of the chains; rows are only ever added, and marked when their row is removed",
        "Links of the chains; rows are only ever added",
    ),
}

# Until now only the first run was recorded: an address seen after that run had ended was seen by another.
_LAST_RUNS = """
UPDATE sightings SET last_run_id = run_id WHERE run_id IN (
  SELECT id FROM runs WHERE finished_at IS NULL OR finished_at >= sightings.last_seen_at
)
"""


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # checksums of sightings and entries are computed again
    _create_removals()
    _create_repeated_captures()
    _extend_chain_entries()
    _add_reference("sightings", "last_run_id", "runs", comment="run that saw it last")
    op.create_index(op.f("ix__sightings__last_run_id"), "sightings", ["last_run_id"])
    op.execute(_LAST_RUNS)
    for table in ("removals", "repeated_captures", "chain_entries", "sightings"):
        seal(op.get_bind(), table)
    for table, (comment, before) in _COMMENTS.items():
        op.create_table_comment(table, comment, existing_comment=before)


def _create_removals() -> None:
    op.create_table(
        "removals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("biz", sa.Text(), nullable=False, comment="the account, as in chains"),
        sa.Column("reason", sa.Text(), nullable=False, comment="as the operator gave it; may be empty"),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "removed",
            postgresql.JSONB(),
            nullable=False,
            comment="posts, chain entries with the hashes of their rows, addresses, media files, counts",
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk__removals__run_id__runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__removals")),
        comment="What was removed on purpose; rows are only ever added",
    )
    op.create_index(op.f("ix__removals__run_id"), "removals", ["run_id"])


def _create_repeated_captures() -> None:
    op.create_table(
        "repeated_captures",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("capture_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["capture_id"], ["captures.id"], name=op.f("fk__repeated_captures__capture_id__captures")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk__repeated_captures__run_id__runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__repeated_captures")),
        sa.UniqueConstraint("capture_id", "run_id", name=op.f("uq__repeated_captures__capture_id_run_id")),
        comment="Runs that brought a capture again; rows are only ever added",
    )
    op.create_index(op.f("ix__repeated_captures__run_id"), "repeated_captures", ["run_id"])


def _extend_chain_entries() -> None:
    _add_reference("chain_entries", "removal_id", "removals")
    _add_reference(
        "chain_entries", "removed_by_id", "removals", comment="the removal that removed the row of this entry"
    )
    op.create_unique_constraint(op.f("uq__chain_entries__removal_id"), "chain_entries", ["removal_id"])
    op.create_index(op.f("ix__chain_entries__removed_by_id"), "chain_entries", ["removed_by_id"])
    op.drop_constraint(op.f(_SUBJECT), "chain_entries", type_="check")
    subjects = "num_nonnulls(capture_id, version_id, removal_id, removed_by_id) = 1"
    op.create_check_constraint(op.f(_SUBJECT), "chain_entries", subjects)


def _add_reference(table: str, column: str, target: str, comment: str | None = None) -> None:
    op.add_column(table, sa.Column(column, sa.BigInteger(), nullable=True, comment=comment))
    op.create_foreign_key(op.f(f"fk__{table}__{column}__{target}"), table, target, [column], ["id"])


def downgrade() -> None:
    """Go back, where nothing was ever removed: earlier versions cannot explain what is missing."""
    op.execute("SET LOCAL statement_timeout = 0")
    for table, (before, comment) in _COMMENTS.items():
        op.create_table_comment(table, comment, existing_comment=before)
    op.drop_constraint(op.f(_SUBJECT), "chain_entries", type_="check")
    op.drop_column("chain_entries", "removed_by_id")
    op.drop_column("chain_entries", "removal_id")
    op.create_check_constraint(op.f(_SUBJECT), "chain_entries", "num_nonnulls(capture_id, version_id) = 1")
    op.drop_column("sightings", "last_run_id")
    for table in ("repeated_captures", "removals"):
        unseal(op.get_bind(), table)
        op.drop_table(table)
    for table in ("chain_entries", "sightings"):
        seal(op.get_bind(), table)

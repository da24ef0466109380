"""Claim addresses by columns of their own, so that sightings keep the run that first saw them."""

import sqlalchemy as sa
from alembic import op

from archive.db.migrations.row_seals import seal

revision = "0008"

down_revision = "0007"

branch_labels = None

depends_on = None

# Until now a sighting's run was changed to that of the last claim; only open runs have claims that hold.
_TAKE_OVER_CLAIMS = """
UPDATE addresses SET claimed_by_run_id = claim.run_id, claimed_until = claim.until FROM (
  SELECT s.address_id, max(r.id) AS run_id, max(r.started_at) + interval '25 hours' AS until
  FROM sightings s JOIN runs r ON r.id = s.run_id WHERE r.finished_at IS NULL GROUP BY s.address_id
) claim WHERE claim.address_id = addresses.id
"""

_GIVE_CLAIMS_BACK = """
UPDATE sightings SET run_id = a.claimed_by_run_id FROM addresses a JOIN runs r ON r.id = a.claimed_by_run_id
WHERE a.id = sightings.address_id AND r.finished_at IS NULL
"""


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # the checksum of every address is computed again
    op.add_column(
        "addresses",
        sa.Column(
            "claimed_by_run_id",
            sa.BigInteger(),
            nullable=True,
            comment="the last run that was to fetch it",
        ),
    )
    op.add_column(
        "addresses",
        sa.Column(
            "claimed_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="no other run takes it before, unless that run has finished or its process is gone",
        ),
    )
    op.execute(_TAKE_OVER_CLAIMS)
    op.create_index(op.f("ix__addresses__claimed_by_run_id"), "addresses", ["claimed_by_run_id"])
    op.create_foreign_key(
        op.f("fk__addresses__claimed_by_run_id__runs"), "addresses", "runs", ["claimed_by_run_id"], ["id"]
    )
    seal(op.get_bind(), "addresses")
    _comment_run_of_sightings("run that first saw it", "last run that saw it")


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    _comment_run_of_sightings("last run that saw it", "run that first saw it")
    op.execute(_GIVE_CLAIMS_BACK)
    op.drop_constraint(op.f("fk__addresses__claimed_by_run_id__runs"), "addresses", type_="foreignkey")
    op.drop_index(op.f("ix__addresses__claimed_by_run_id"), table_name="addresses")
    op.drop_column("addresses", "claimed_until")
    op.drop_column("addresses", "claimed_by_run_id")
    seal(op.get_bind(), "addresses")


def _comment_run_of_sightings(comment: str, before: str) -> None:
    op.alter_column(
        "sightings",
        "run_id",
        existing_type=sa.BigInteger(),
        existing_nullable=True,
        comment=comment,
        existing_comment=before,
    )

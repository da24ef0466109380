"""Store pages against earlier ones, chain captures and versions, remember when posts were away."""

import gzip
import hashlib
import sys

import sqlalchemy as sa
from alembic import op

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

revision = "0004"

down_revision = "0003"

branch_labels = None

depends_on = None

_ENCODINGS = (
    "gzip: as the server sent it; zstd: one zstd frame; zstd-prefix: one zstd frame made with the"
    " uncompressed body of reference_id as its prefix (zstd -d --long=27 --patch-from=REFERENCE)"
)


def upgrade() -> None:
    op.drop_index(op.f("ix__addresses__account_id"), table_name="addresses")
    op.create_index(op.f("ix__addresses__account_id_aid"), "addresses", ["account_id", "aid"], unique=False)
    op.create_table(
        "chains",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "biz",
            sa.Text(),
            nullable=False,
            comment="the account; empty: captures of addresses that do not tell their account",
        ),
        sa.Column(
            "length",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="how many entries there are",
        ),
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=False,
            comment="of the last entry, 32 bytes; zeros while there is none",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__chains")),
        sa.UniqueConstraint("biz", name=op.f("uq__chains__biz")),
        comment="Chains of hashes over captures and versions, one an account: their heads",
    )
    op.create_table(
        "absences",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            comment="deleted, violation, private, unavailable or migrated",
        ),
        sa.Column("reason", sa.Text(), server_default="", nullable=False, comment="the page's own sentence"),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its page was there for the last time; NULL: its page was never seen",
        ),
        sa.Column(
            "first_missing_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="the first answer without it",
        ),
        sa.Column(
            "last_missing_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="the latest answer without it",
        ),
        sa.Column("capture_id", sa.BigInteger(), nullable=False, comment="the first answer without it"),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True, comment="NULL while it is away"),
        sa.Column("returned_capture_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["capture_id"], ["captures.id"], name=op.f("fk__absences__capture_id__captures")
        ),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk__absences__post_id__posts")),
        sa.ForeignKeyConstraint(
            ["returned_capture_id"], ["captures.id"], name=op.f("fk__absences__returned_capture_id__captures")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__absences")),
        comment="When posts were not to be had, by their own addresses, and the reason their pages gave",
    )
    op.create_index(op.f("ix__absences__capture_id"), "absences", ["capture_id"], unique=False)
    op.create_index(op.f("ix__absences__post_id"), "absences", ["post_id"], unique=False)
    op.create_index(
        op.f("ix__absences__returned_capture_id"), "absences", ["returned_capture_id"], unique=False
    )
    op.create_index(
        "uq__absences__post_id",
        "absences",
        ["post_id"],
        unique=True,
        postgresql_where=sa.text("returned_at IS NULL"),
    )
    op.create_table(
        "chain_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="from 1, without holes"),
        sa.Column("capture_id", sa.BigInteger(), nullable=True),
        sa.Column("version_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "content",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of what the row holds, by the rule of docs/integrity.md",
        ),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256, 32 bytes"),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "num_nonnulls(capture_id, version_id) = 1", name=op.f("ck__chain_entries__one_subject")
        ),
        sa.ForeignKeyConstraint(
            ["capture_id"], ["captures.id"], name=op.f("fk__chain_entries__capture_id__captures")
        ),
        sa.ForeignKeyConstraint(
            ["chain_id"], ["chains.id"], name=op.f("fk__chain_entries__chain_id__chains")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk__chain_entries__version_id__versions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__chain_entries")),
        sa.UniqueConstraint("capture_id", name=op.f("uq__chain_entries__capture_id")),
        sa.UniqueConstraint("chain_id", "position", name=op.f("uq__chain_entries__chain_id_position")),
        sa.UniqueConstraint("version_id", name=op.f("uq__chain_entries__version_id")),
        comment="Links of the chains; rows are only ever added",
    )
    op.add_column(
        "captures",
        sa.Column(
            "reference_id",
            sa.BigInteger(),
            nullable=True,
            comment="the capture whose body this one's is stored against; its own is stored whole",
        ),
    )
    op.alter_column(
        "captures",
        "body_encoding",
        existing_type=sa.TEXT(),
        comment=_ENCODINGS,
        existing_comment="gzip: as the server sent it; zstd: one zstd frame",
        existing_nullable=False,
    )
    op.create_index(op.f("ix__captures__reference_id"), "captures", ["reference_id"], unique=False)
    op.create_foreign_key(
        op.f("fk__captures__reference_id__captures"), "captures", "captures", ["reference_id"], ["id"]
    )


def downgrade() -> None:
    _store_whole()
    op.drop_constraint(op.f("fk__captures__reference_id__captures"), "captures", type_="foreignkey")
    op.drop_index(op.f("ix__captures__reference_id"), table_name="captures")
    op.alter_column(
        "captures",
        "body_encoding",
        existing_type=sa.TEXT(),
        comment="gzip: as the server sent it; zstd: one zstd frame",
        existing_comment=_ENCODINGS,
        existing_nullable=False,
    )
    op.drop_column("captures", "reference_id")
    op.drop_table("chain_entries")
    op.drop_index(
        "uq__absences__post_id", table_name="absences", postgresql_where=sa.text("returned_at IS NULL")
    )
    op.drop_index(op.f("ix__absences__returned_capture_id"), table_name="absences")
    op.drop_index(op.f("ix__absences__post_id"), table_name="absences")
    op.drop_index(op.f("ix__absences__capture_id"), table_name="absences")
    op.drop_table("absences")
    op.drop_table("chains")
    op.drop_index(op.f("ix__addresses__account_id_aid"), table_name="addresses")
    op.create_index(op.f("ix__addresses__account_id"), "addresses", ["account_id"], unique=False)


def _store_whole() -> None:
    """Store every delta as a frame of its own, one at a time. Raises ValueError on a damaged body."""
    bind = op.get_bind()
    op.execute("SET LOCAL statement_timeout = 0")  # every page stored as a delta is compressed again
    against = "SELECT id FROM captures WHERE reference_id IS NOT NULL ORDER BY id"
    both = sa.text(
        "SELECT page.body, page.body_encoding, page.sha256, r.body, r.body_encoding, r.sha256"
        " FROM captures page JOIN captures r ON r.id = page.reference_id WHERE page.id = :id"
    )
    change = sa.text("UPDATE captures SET body = :body, body_encoding = 'zstd' WHERE id = :id")
    for capture_id in bind.execute(sa.text(against)).scalars().all():
        page, encoding, sha256, *reference = bind.execute(both, {"id": capture_id}).one()
        body = _decode(capture_id, page, encoding, sha256, _decode(capture_id, *reference))
        bind.execute(change, {"id": capture_id, "body": zstd.compress(body, _LEVEL)})


_LEVEL = 6  # what bodies stored on their own were compressed with at this revision

_BOUNDED: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 27}  # 128 MB: a body and its base


def _decode(capture_id: int, stored: bytes, encoding: str, sha256: bytes, base: bytes | None = None) -> bytes:
    """Return the bytes of a body, verified. Raises ValueError when they are not those that were stored."""
    if encoding == "gzip":
        body = gzip.decompress(stored)
    else:
        prefix = zstd.ZstdDict(base, is_raw=True).as_prefix if encoding == "zstd-prefix" and base else None
        body = zstd.decompress(stored, zstd_dict=prefix, options=_BOUNDED)
    if hashlib.sha256(body).digest() != sha256:
        raise ValueError(f"the body of capture {capture_id} is damaged; restore it before the downgrade")
    return body

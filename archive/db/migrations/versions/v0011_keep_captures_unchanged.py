"""Keep captures unchanged: their bodies and what parsers made of them get tables of their own.

The bytes of a body are stored once, by SHA-256. The hash chains stay as they are: what an entry vouches for
is still in the row of the capture.
"""

import gzip
import hashlib
import sys

import sqlalchemy as sa
from alembic import op

from archive.db.migrations.row_seals import seal, unseal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

revision = "0011"

down_revision = "0010"

branch_labels = None

depends_on = None

PARTITIONS = 16  # of bodies: each with a sixteenth of the values that its TOAST table can number

_OUTCOMES = (
    "article", "deleted", "violation", "unavailable", "expired_link", "migrated", "private", "verification",
    "rate_limited", "bad_request", "unknown",
)  # fmt: skip

_CODECS = ("gzip", "zstd", "zstd-prefix")

_COMMENT = "Answers of the server; a trigger refuses every change of a row"

_COMMENT_BEFORE = "Answers of the server; written before they are read, never changed afterwards"

# A body that others are stored against was stored whole: of equal bodies that form is taken.
_COPY_BODIES = """
INSERT INTO bodies (sha256, codec, base_sha256, data)
SELECT DISTINCT ON (c.sha256) c.sha256, c.body_encoding, base.sha256, c.body
FROM captures c LEFT JOIN captures base ON base.id = c.reference_id
ORDER BY c.sha256, c.reference_id IS NOT NULL, c.id
"""

_COPY_RESULTS = """
INSERT INTO parse_results (capture_id, parser_version, outcome, reason, is_current)
SELECT id, parser_version, outcome, reason, true FROM captures WHERE outcome IS NOT NULL ORDER BY id
"""

_COPY_UNPARSED = "INSERT INTO unparsed_captures SELECT id FROM captures WHERE outcome IS NULL"

# Changing a type writes the whole table again, without the columns that are dropped.
_SHRINK_CAPTURES = """
ALTER TABLE captures
  DROP COLUMN body, DROP COLUMN body_encoding, DROP COLUMN reference_id,
  DROP COLUMN outcome, DROP COLUMN reason, DROP COLUMN parser_version,
  ALTER COLUMN status TYPE smallint, ALTER COLUMN body_size TYPE integer
"""

_REFUSE = """
CREATE FUNCTION refuse_update() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'rows of % never change', TG_TABLE_NAME; END $$
"""

_REFUSE_TRIGGER = """
CREATE TRIGGER refuse_update BEFORE UPDATE ON captures FOR EACH ROW EXECUTE FUNCTION refuse_update()
"""


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # every page that was ever stored is copied
    _create_bodies()
    _create_parse_results()
    damaged = _damaged_forms()
    op.execute(_COPY_BODIES)
    for sha256, body in damaged.items():
        _store_whole(sha256, body)
    op.execute(_COPY_RESULTS)
    op.execute(_COPY_UNPARSED)
    _key("bodies", "base_sha256", "bodies", "sha256")
    _key("parse_results", "capture_id", "captures")
    _key("unparsed_captures", "capture_id", "captures")
    seal(op.get_bind(), "parse_results")
    unseal(op.get_bind(), "captures")
    op.execute(_SHRINK_CAPTURES)
    op.create_index(op.f("ix__captures__sha256"), "captures", ["sha256"])
    _key("captures", "sha256", "bodies", "sha256")
    op.execute(_REFUSE)
    op.execute(_REFUSE_TRIGGER)
    op.create_table_comment("captures", _COMMENT, existing_comment=_COMMENT_BEFORE)


def _key(table: str, column: str, target: str, target_column: str = "id") -> None:
    op.create_foreign_key(op.f(f"fk__{table}__{column}__{target}"), table, target, [column], [target_column])


def _create_bodies() -> None:
    listed = ", ".join(f"'{codec}'" for codec in _CODECS)
    op.create_table(
        "bodies",
        sa.Column("sha256", sa.LargeBinary(), nullable=False, comment="SHA-256 of the uncompressed body"),
        sa.Column(
            "codec",
            sa.Text(),
            nullable=False,
            comment="gzip: as the server sent it; zstd: one zstd frame; zstd-prefix: one zstd frame made with"
            " the uncompressed base as its prefix (zstd -d --long=27 --patch-from=BASE)",
        ),
        sa.Column(
            "base_sha256",
            sa.LargeBinary(),
            nullable=True,
            comment="the body this one is stored against, which is itself stored whole",
        ),
        sa.Column(
            "data", sa.LargeBinary(), nullable=False, comment="the bytes after content decoding, by codec"
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk__bodies")),
        sa.CheckConstraint(f"codec IN ({listed})", name=op.f("ck__bodies__codec")),
        comment="Bodies of captures, by SHA-256: the same bytes are stored once",
        postgresql_partition_by="HASH (sha256)",
    )
    op.execute("ALTER TABLE bodies ALTER COLUMN data SET STORAGE EXTERNAL")  # it is compressed already
    op.execute("CREATE SCHEMA partitions")
    for number in range(PARTITIONS):
        op.execute(
            f"CREATE TABLE partitions.bodies_{number:02} PARTITION OF bodies"
            f" FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})"
        )
    op.create_index(op.f("ix__bodies__base_sha256"), "bodies", ["base_sha256"])


def _create_parse_results() -> None:
    listed = ", ".join(f"'{outcome}'" for outcome in _OUTCOMES)
    op.create_table(
        "parse_results",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("capture_id", sa.BigInteger(), nullable=False),
        sa.Column("parser_version", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="message, as JSON; empty where it says nothing",
        ),
        sa.Column(
            "parsed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="NULL: before this was recorded",
        ),
        sa.Column(
            "is_current",
            sa.Boolean(),
            nullable=False,
            comment="the newest of its capture; the only value that changes",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__parse_results")),
        sa.CheckConstraint(f"outcome IN ({listed})", name=op.f("ck__parse_results__outcome")),
        comment="What parsers made of captures; rows are only ever added",
    )
    op.create_index(op.f("ix__parse_results__capture_id"), "parse_results", ["capture_id"])
    op.create_index(
        "uq__parse_results__capture_id",
        "parse_results",
        ["capture_id"],
        unique=True,
        postgresql_where=sa.text("is_current"),
    )
    op.create_table(
        "unparsed_captures",
        sa.Column("capture_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("capture_id", name=op.f("pk__unparsed_captures")),
        comment="Work list: captures that are stored and not parsed yet",
    )


def _damaged_forms() -> dict[bytes, bytes]:
    """Return by hash the bodies that are stored more than once and damaged in the form that is taken.

    Nothing is lost then: another of the forms is unpacked instead.
    """
    bind = op.get_bind()
    repeated = "SELECT sha256 FROM captures GROUP BY sha256 HAVING count(*) > 1 ORDER BY sha256"
    forms = sa.text("SELECT id FROM captures WHERE sha256 = :sha256 ORDER BY reference_id IS NOT NULL, id")
    op.execute("CREATE INDEX captures_by_hash ON captures (sha256)")
    found: dict[bytes, bytes] = {}
    for sha256 in bind.execute(sa.text(repeated)).scalars().all():
        for place, capture_id in enumerate(bind.execute(forms, {"sha256": sha256}).scalars().all()):
            if (body := _decode(capture_id)) is not None:
                if place:
                    found[bytes(sha256)] = body
                break
    op.execute("DROP INDEX captures_by_hash")
    return found


_STORED = sa.text(
    "SELECT page.body, page.body_encoding, page.sha256, base.body, base.body_encoding"
    " FROM captures page LEFT JOIN captures base ON base.id = page.reference_id WHERE page.id = :id"
)

_BOUNDED: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 27}  # 128 MB: a body and its base

_LEVEL = 6  # what bodies stored on their own are compressed with at this revision


def _decode(capture_id: int) -> bytes | None:
    """Return the bytes of a body; None where they are not those that were stored."""
    page, encoding, sha256, base, base_encoding = op.get_bind().execute(_STORED, {"id": capture_id}).one()
    try:
        prefix = None if base is None else _unpacked(base, base_encoding, None)
        body = _unpacked(page, encoding, prefix)
    except (zstd.ZstdError, OSError, EOFError, ValueError):
        return None
    return body if hashlib.sha256(body).digest() == sha256 else None


def _unpacked(stored: bytes, encoding: str, base: bytes | None) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(stored)
    prefix = None if base is None else zstd.ZstdDict(base, is_raw=True).as_prefix
    return zstd.decompress(stored, zstd_dict=prefix, options=_BOUNDED)


def _store_whole(sha256: bytes, body: bytes) -> None:
    change = "UPDATE bodies SET codec = 'zstd', base_sha256 = NULL, data = :data WHERE sha256 = :sha256"
    op.get_bind().execute(sa.text(change), {"sha256": sha256, "data": zstd.compress(body, _LEVEL)})


# Each capture gets its body back, and as its delta base the first capture of the base's bytes.
_RETURN_BODIES = """
UPDATE captures SET body = b.data, body_encoding = b.codec,
  reference_id = (SELECT min(base.id) FROM captures base WHERE base.sha256 = b.base_sha256)
FROM bodies b WHERE b.sha256 = captures.sha256
"""

_RETURN_RESULTS = """
UPDATE captures SET outcome = r.outcome, reason = r.reason, parser_version = r.parser_version
FROM parse_results r WHERE r.capture_id = captures.id AND r.is_current
"""

_ENCODINGS = (
    "gzip: as the server sent it; zstd: one zstd frame; zstd-prefix: one zstd frame made with the"
    " uncompressed body of reference_id as its prefix (zstd -d --long=27 --patch-from=REFERENCE)"
)


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("DROP TRIGGER refuse_update ON captures")
    op.execute("DROP FUNCTION refuse_update()")
    op.drop_constraint(op.f("fk__captures__sha256__bodies"), "captures", type_="foreignkey")
    _add_columns()
    op.execute(_RETURN_BODIES)
    op.execute(_RETURN_RESULTS)
    op.drop_index(op.f("ix__captures__sha256"), table_name="captures")
    op.alter_column("captures", "body", nullable=False)
    op.alter_column("captures", "body_encoding", nullable=False)
    op.alter_column("captures", "status", type_=sa.BigInteger())
    op.alter_column("captures", "body_size", type_=sa.BigInteger())
    op.create_index(op.f("ix__captures__reference_id"), "captures", ["reference_id"])
    _key("captures", "reference_id", "captures")
    unparsed = sa.text("outcome IS NULL")
    op.create_index(op.f("ix__captures__id"), "captures", ["id"], postgresql_where=unparsed)
    op.create_table_comment("captures", _COMMENT_BEFORE, existing_comment=_COMMENT)
    seal(op.get_bind(), "captures")
    op.drop_table("unparsed_captures")
    unseal(op.get_bind(), "parse_results")
    op.drop_table("parse_results")
    op.drop_table("bodies")
    op.execute("DROP SCHEMA partitions")


def _add_columns() -> None:
    for column in (
        sa.Column("body", sa.LargeBinary(), comment="the bytes after content decoding, by body_encoding"),
        sa.Column("body_encoding", sa.Text(), comment=_ENCODINGS),
        sa.Column(
            "reference_id",
            sa.BigInteger(),
            comment="the capture whose body this one's is stored against; its own is stored whole",
        ),
        sa.Column("outcome", sa.Text(), comment="NULL until read"),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("parser_version", sa.BigInteger()),
    ):
        op.add_column("captures", column)
    op.execute("ALTER TABLE captures ALTER COLUMN body SET STORAGE EXTERNAL")

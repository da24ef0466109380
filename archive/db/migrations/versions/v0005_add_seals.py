"""Seal rows, so that a bit flipped beneath the database shows, and chain what was kept before."""

import hashlib

import sqlalchemy as sa
from alembic import op

from archive.db.migrations.row_seals import seal, unseal

revision = "0005"

down_revision = "0004"

branch_labels = None

depends_on = None

TABLES = (
    "absences", "accounts", "addresses", "captures", "chain_entries", "chains", "egresses", "files",
    "incidents", "media", "post_links", "post_media", "posts", "runs", "sightings", "sources", "versions",
)  # fmt: skip

HASHED = {"posts": ("text",), "versions": ("text",)}  # by content_hash

BATCH = 1000  # rows chained a statement

_INSTANT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'

# The rule of docs/reference/integrity.md, as it was when rows were first chained.
_CAPTURES = """
SELECT c.id, coalesce(
  CASE WHEN a.key ~ '^[^:]+:[0-9]+:[0-9]+$' THEN split_part(a.key, ':', 1) END, a.expected_biz, '') AS biz,
  sha256(convert_to(jsonb_build_array('capture'::text, c.requested_url, c.final_url, c.status, c.headers,
    encode(c.sha256, 'hex'), c.body_size, to_char(timezone('UTC', c.fetched_at), :instant), c.rendered,
    encode(sha256(convert_to(c.evaluated::text, 'UTF8')), 'hex'), a.key)::text, 'UTF8')) AS content
FROM captures c LEFT JOIN addresses a ON a.id = c.address_id
WHERE c.id > :after AND NOT EXISTS (SELECT FROM chain_entries e WHERE e.capture_id = c.id)
ORDER BY c.id LIMIT :batch
"""

_VERSIONS = """
SELECT v.id, account.biz,
  sha256(convert_to(jsonb_build_array('version'::text, account.biz, p.aid, v.number, v.content_hash, v.source,
    encode(c.sha256, 'hex'), v.parser_version,
    to_char(timezone('UTC', v.recorded_at), :instant))::text, 'UTF8')) AS content
FROM versions v JOIN posts p ON p.id = v.post_id JOIN accounts account ON account.id = p.account_id
LEFT JOIN captures c ON c.id = v.capture_id
WHERE v.id > :after AND NOT EXISTS (SELECT FROM chain_entries e WHERE e.version_id = v.id)
ORDER BY v.id LIMIT :batch
"""


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # every page that was ever kept is read
    _chain("capture_id", _CAPTURES)
    _chain("version_id", _VERSIONS)
    for table in TABLES:
        seal(op.get_bind(), table, but=HASHED.get(table, ()))


def _chain(subject: str, rows: str) -> None:
    bind, after = op.get_bind(), 0
    while found := bind.execute(sa.text(rows), {"after": after, "batch": BATCH, "instant": _INSTANT}).all():
        after = found[-1].id
        for biz in {row.biz for row in found}:
            _extend(biz, subject, [row for row in found if row.biz == biz])


def _extend(biz: str, subject: str, rows: list[sa.Row[tuple[int, str, bytes]]]) -> None:
    bind = op.get_bind()
    new = "INSERT INTO chains (biz, digest) VALUES (:biz, :start) ON CONFLICT (biz) DO NOTHING"
    bind.execute(sa.text(new), {"biz": biz, "start": bytes(32)})
    head = bind.execute(sa.text("SELECT id, length, digest FROM chains WHERE biz = :biz"), {"biz": biz}).one()
    digest, entries = head.digest, []
    for position, row in enumerate(rows, head.length + 1):
        digest = hashlib.sha256(digest + row.content).digest()
        entries.append(
            {
                "chain": head.id,
                "position": position,
                "row": row.id,
                "content": row.content,
                "digest": digest,
            }
        )
    insert = (
        f"INSERT INTO chain_entries (chain_id, position, {subject}, content, digest)"  # noqa: S608 - a column
        " VALUES (:chain, :position, :row, :content, :digest)"
    )
    bind.execute(sa.text(insert), entries)
    grown = {"chain": head.id, "length": head.length + len(rows), "digest": digest}
    bind.execute(sa.text("UPDATE chains SET length = :length, digest = :digest WHERE id = :chain"), grown)


def downgrade() -> None:
    for table in TABLES:
        unseal(op.get_bind(), table)

"""Enter facts in the hash chains, record the heads of the archive, and remove the row checksums.

What every row says now becomes the first entry of its fact, behind the entries that the chains have: heads
saved before still hold. The rules are those of docs/reference/integrity.md as they were then.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from archive.db.migrations.row_seals import seal, unseal

revision = "0015"

down_revision = "0014"

branch_labels = None

depends_on = None

BATCH = 2000  # facts a statement: those of posts read their HTML

_SEALED = sa.text(
    "SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " WHERE a.attname = 'seal' AND NOT a.attisdropped AND c.relkind = 'r'"
    " AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname"
)

_SUBJECT = "ck__chain_entries__one_subject"

_COMMENTS = {
    "Chains of hashes over captures, versions, removals and facts: their heads": (
        "Chains of hashes over captures, versions and removals: their heads"
    ),
}

_BIZ_OF_KEY = """coalesce(
  CASE WHEN a.key ~ '^[^:]+:[0-9]+:[0-9]+$' THEN split_part(a.key, ':', 1) END, a.expected_biz, '')"""

_FINAL = """a.last_outcome IN ('article', 'deleted', 'violation', 'unavailable', 'expired_link', 'migrated',
  'private', 'bad_request', 'forgotten')"""

# By kind: the rows with their ids, the account of the chain, and the values of the fact.
FACTS = {
    "account": """
SELECT r.id, r.biz, jsonb_build_array('account'::text, r.biz, r.name,
  timezone('UTC', r.first_seen_at)) AS fact
FROM accounts r WHERE true""",
    "address": f"""
SELECT a.id, {_BIZ_OF_KEY} AS biz, jsonb_build_array('address'::text, a.key, a.url, a.aid,
  (SELECT biz FROM accounts WHERE id = a.account_id), a.expected_biz, timezone('UTC', a.first_seen_at),
  CASE WHEN {_FINAL} THEN a.last_outcome WHEN a.next_fetch_at IS NULL THEN 'given_up' END,
  CASE WHEN {_FINAL} THEN a.last_reason END) AS fact
FROM addresses a WHERE true""",  # noqa: S608 - constants
    "sighting": f"""
SELECT r.id, {_BIZ_OF_KEY} AS biz, jsonb_build_array('sighting'::text, a.key, r.source, r.url, r.title,
  r.listing, timezone('UTC', r.first_seen_at), r.run_id) AS fact
FROM sightings r JOIN addresses a ON a.id = r.address_id WHERE true""",  # noqa: S608 - constants
    "parse_result": f"""
SELECT r.id, {_BIZ_OF_KEY} AS biz, jsonb_build_array('parse_result'::text, encode(r.sha256, 'hex'),
  timezone('UTC', r.fetched_at), r.run_id,
  (SELECT jsonb_agg(jsonb_build_array(parser_version, outcome, reason, timezone('UTC', parsed_at), is_current)
     ORDER BY id) FROM parse_results WHERE capture_id = r.id)) AS fact
FROM captures r LEFT JOIN addresses a ON a.id = r.address_id
WHERE EXISTS (SELECT FROM parse_results WHERE capture_id = r.id)""",  # noqa: S608 - constants
    "post": """
SELECT r.id, account.biz, jsonb_build_array('post'::text, account.biz, r.aid, r.mid, r.idx, r.url,
  r.published_on, r.account_name, r.content_hash, r.source, r.capture_id, r.title,
  r.current_version_id,
  timezone('UTC', r.first_archived_at), timezone('UTC', r.published_at), r.kind, r.facts,
  encode(sha256(convert_to(r.html, 'UTF8')), 'hex'),
  (SELECT jsonb_agg(jsonb_build_array(number, capture_id, run_id) ORDER BY number)
   FROM versions WHERE post_id = r.id)) AS fact
FROM posts r JOIN accounts account ON account.id = r.account_id WHERE true""",
    "post_media": """
SELECT r.id, account.biz, jsonb_build_array('post_media'::text, account.biz, r.aid,
  (SELECT jsonb_agg(jsonb_build_array(s.role, s.position, m.key, m.type, timezone('UTC', m.first_seen_at),
     s.capture_id, s.facts) ORDER BY s.role COLLATE "C", s.position, m.key COLLATE "C")
   FROM post_media s JOIN media m ON m.id = s.medium_id WHERE s.post_id = r.id)) AS fact
FROM posts r JOIN accounts account ON account.id = r.account_id
WHERE EXISTS (SELECT FROM post_media WHERE post_id = r.id)""",
    "post_links": """
SELECT r.id, account.biz, jsonb_build_array('post_links'::text, account.biz, r.aid,
  (SELECT jsonb_agg(jsonb_build_array(relation, position, key, url, text, capture_id, facts)
     ORDER BY relation COLLATE "C", key COLLATE "C")
   FROM post_links WHERE post_id = r.id)) AS fact
FROM posts r JOIN accounts account ON account.id = r.account_id
WHERE EXISTS (SELECT FROM post_links WHERE post_id = r.id)""",
    "absences": """
SELECT r.id, account.biz, jsonb_build_array('absences'::text, account.biz, r.aid,
  (SELECT jsonb_agg(jsonb_build_array(outcome, reason, timezone('UTC', last_seen_at),
     timezone('UTC', first_missing_at), timezone('UTC', last_missing_at), capture_id,
     timezone('UTC', returned_at), returned_capture_id) ORDER BY capture_id)
   FROM absences WHERE post_id = r.id)) AS fact
FROM posts r JOIN accounts account ON account.id = r.account_id
WHERE EXISTS (SELECT FROM absences WHERE post_id = r.id)""",
    "file": """
SELECT r.id, coalesce((SELECT accounts.biz FROM post_media s JOIN posts ON posts.id = s.post_id
   JOIN accounts ON accounts.id = posts.account_id WHERE s.medium_id = r.id ORDER BY s.id LIMIT 1), '')
   AS biz,
  jsonb_build_array('file'::text, r.key, r.url, r.type, timezone('UTC', r.first_seen_at),
    encode(f.sha256, 'hex'), f.size, f.media_type, f.width, f.height,
    timezone('UTC', f.first_stored_at)) AS fact
FROM media r JOIN files f ON f.id = r.file_id WHERE true""",
}

_ADD = sa.text("""
INSERT INTO chain_entries (chain_id, position, content, digest, fact_kind, fact_id)
SELECT unnest(CAST(:chains AS bigint[])), unnest(CAST(:positions AS bigint[])),
  unnest(CAST(:contents AS bytea[])), unnest(CAST(:digests AS bytea[])), :kind, unnest(CAST(:ids AS bigint[]))
""")

_NEW_CHAIN = sa.text("INSERT INTO chains (biz, length, digest) VALUES (:biz, 0, :digest) RETURNING id")

_GROW = sa.text("UPDATE chains SET length = :length, digest = :digest WHERE id = :chain")


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # every row of evidence is read
    sealed = op.get_bind().scalars(_SEALED).all()
    damaged = _damaged_rows(sealed)
    for table in sealed:
        unseal(op.get_bind(), table)
    _create_tables()
    _extend_chain_entries()
    for comment, before in _COMMENTS.items():
        op.create_table_comment("chains", comment, existing_comment=before)
    _enter_facts(damaged)
    op.create_index(
        op.f("ix__chain_entries__fact_id_fact_kind"),
        "chain_entries",
        ["fact_id", "fact_kind"],
        postgresql_where=sa.text("fact_kind IS NOT NULL"),
    )


def _create_tables() -> None:
    op.create_table(
        "pending_facts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("fact_kind", sa.Text(), nullable=False),
        sa.Column("fact_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__pending_facts")),
        comment="Facts that readers stored and no chain has yet",
    )
    op.create_table(
        "heads",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of the list of all chains' heads, 32 bytes",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__heads")),
        sa.UniqueConstraint("digest", name=op.f("uq__heads__digest")),
        comment="Heads of the archive: one hash over the heads of all chains",
    )
    op.create_table(
        "head_lengths",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("head_id", sa.BigInteger(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk__head_lengths__chain_id__chains")),
        sa.ForeignKeyConstraint(["head_id"], ["heads.id"], name=op.f("fk__head_lengths__head_id__heads")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__head_lengths")),
        sa.UniqueConstraint("chain_id", "head_id", name=op.f("uq__head_lengths__chain_id_head_id")),
        comment="Lengths of chains at the heads of the archive, where they differ from the head before",
    )


def _extend_chain_entries() -> None:
    kind = sa.Column("fact_kind", sa.Text(), comment="what a fact is about; NULL: no fact")
    row = sa.Column("fact_id", sa.BigInteger(), comment="id of the row that the fact belongs to")
    for column in (kind, row):
        op.add_column("chain_entries", column)
    op.drop_constraint(op.f(_SUBJECT), "chain_entries", type_="check")
    op.create_check_constraint(
        op.f(_SUBJECT),
        "chain_entries",
        "CASE WHEN fact_kind IS NULL"
        " THEN fact_id IS NULL AND num_nonnulls(capture_id, version_id, removal_id, removed_by_id) = 1"
        " ELSE fact_id IS NOT NULL AND num_nonnulls(capture_id, version_id, removal_id) = 0 END",
    )
    kinds = ", ".join(f"'{kind}'" for kind in FACTS)
    op.create_check_constraint(
        op.f("ck__chain_entries__fact_kind"), "chain_entries", f"fact_kind IN ({kinds})"
    )


# By kind of fact: the tables whose rows it reads, with the column that is the id of the fact.
_ROWS = {
    "account": {"accounts": "id"},
    "address": {"addresses": "id"},
    "sighting": {"sightings": "id"},
    "parse_result": {"parse_results": "capture_id"},
    "post": {"posts": "id", "versions": "post_id"},
    "post_media": {"post_media": "post_id"},
    "post_links": {"post_links": "post_id"},
    "absences": {"absences": "post_id"},
    "file": {"media": "id", "files": "(SELECT min(m.id) FROM media m WHERE m.file_id = files.id)"},
}


def _damaged_rows(sealed: Collection[str]) -> dict[str, set[int]]:
    """Return by kind the facts of rows with a wrong checksum: an entry would vouch for the damage."""
    return {
        kind: {
            id_
            for table, column in tables.items()
            if table in sealed
            for id_ in op.get_bind().scalars(
                sa.text(f"SELECT {column} FROM {table} WHERE seal IS DISTINCT FROM seal_of({table})")  # noqa: S608
            )
        }
        for kind, tables in _ROWS.items()
    }


def _enter_facts(damaged: Mapping[str, Collection[int]]) -> None:
    """Append every fact, kind by kind in the order of the ids, to the chains as they are.

    Those of damaged rows get no entry, so that `verify` goes on finding them.
    """
    bind = op.get_bind()
    rows = bind.execute(sa.text("SELECT biz, id, length, digest FROM chains"))
    chains = {row.biz: (row.id, row.length, row.digest) for row in rows}
    for kind, facts in FACTS.items():
        batch = sa.text(
            "SELECT id, biz, sha256(convert_to(fact::text, 'UTF8')) AS content"  # noqa: S608 - constants above
            f" FROM ({facts}) facts WHERE id > :after ORDER BY id LIMIT :batch"
        )
        after = 0
        while found := bind.execute(batch, {"after": after, "batch": BATCH}).all():
            after = found[-1].id
            _append(kind, [row for row in found if row.id not in damaged[kind]], chains)
    for chain, length, digest in chains.values():
        bind.execute(_GROW, {"chain": chain, "length": length, "digest": digest})
    if chains:
        _record_first_head(chains)


def _record_first_head(chains: dict[str, tuple[int, int, bytes]]) -> None:
    """Record the head of the archive: the SHA-256 of what `verify --save-head` writes."""
    lines = [
        json.dumps({"biz": biz, "length": length, "digest": digest.hex()}, ensure_ascii=False)
        for biz, (_, length, digest) in sorted(chains.items(), key=lambda item: item[0].encode())
    ]
    digest = hashlib.sha256(("[\n" + ",\n".join(lines) + "\n]\n").encode()).digest()
    head = sa.text("INSERT INTO heads (taken_at, digest) VALUES (now(), :digest) RETURNING id")
    head_id = op.get_bind().execute(head, {"digest": digest}).scalar_one()
    lengths = sa.text("INSERT INTO head_lengths (head_id, chain_id, length) VALUES (:head, :chain, :length)")
    rows = [{"head": head_id, "chain": chain, "length": length} for chain, length, _ in chains.values()]
    op.get_bind().execute(lengths, rows)


def _append(
    kind: str, found: Sequence[sa.Row[*tuple[Any, ...]]], chains: dict[str, tuple[int, int, bytes]]
) -> None:
    """Append facts of one kind; `chains` are id, length and digest by account, and grow."""
    entries = []
    for row in found:
        if row.biz not in chains:
            start = {"biz": row.biz, "digest": bytes(32)}
            chains[row.biz] = op.get_bind().execute(_NEW_CHAIN, start).scalar_one(), 0, bytes(32)
        chain, length, digest = chains[row.biz]
        digest = hashlib.sha256(digest + row.content + f"{kind} {row.id}".encode()).digest()
        chains[row.biz] = chain, length + 1, digest
        entries.append((chain, length + 1, row.content, digest, row.id))
    if not entries:
        return
    names = ("chains", "positions", "contents", "digests", "ids")
    columns = dict(zip(names, map(list, zip(*entries, strict=True)), strict=True))
    op.get_bind().execute(_ADD, {"kind": kind, **columns})


TABLES = (
    "absences", "accounts", "addresses", "parse_results", "chain_entries", "chains", "egresses", "files",
    "incidents", "media", "post_links", "post_media", "post_words", "posts", "removals", "repeated_captures",
    "runs", "sightings", "sources", "versions",
)  # fmt: skip


def downgrade() -> None:
    """Go back; the heads of chains that have grown since the upgrade change."""
    op.execute("SET LOCAL statement_timeout = 0")
    for table in ("head_lengths", "heads", "pending_facts"):
        op.drop_table(table)
    op.execute("DELETE FROM chain_entries WHERE fact_kind IS NOT NULL")
    _close_gaps()
    op.drop_constraint(op.f(_SUBJECT), "chain_entries", type_="check")
    for column in ("fact_kind", "fact_id"):
        op.drop_column("chain_entries", column)
    op.create_check_constraint(
        op.f(_SUBJECT), "chain_entries", "num_nonnulls(capture_id, version_id, removal_id, removed_by_id) = 1"
    )
    for comment, before in _COMMENTS.items():
        op.create_table_comment("chains", before, existing_comment=comment)
    for table in TABLES:
        seal(op.get_bind(), table, but=("text",) if table == "versions" else ())


def _close_gaps() -> None:
    """Chain what is left when facts are taken out, in its order."""
    bind = op.get_bind()
    moved = sa.text("UPDATE chain_entries SET position = :position, digest = :digest WHERE id = :id")
    entries = sa.text("SELECT id, content FROM chain_entries WHERE chain_id = :chain ORDER BY position")
    for chain in bind.scalars(sa.text("SELECT id FROM chains")).all():
        digest, updates = bytes(32), []
        for position, entry in enumerate(bind.execute(entries, {"chain": chain}).all(), 1):
            digest = hashlib.sha256(digest + entry.content).digest()
            updates.append({"position": position, "digest": digest, "id": entry.id})
        if updates:
            bind.execute(moved, updates)
        bind.execute(_GROW, {"chain": chain, "length": len(updates), "digest": digest})

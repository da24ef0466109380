"""Say in columns what keys said in strings: names of sources, keys of addresses; name columns by content."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"

down_revision = "0015"

branch_labels = None

depends_on = None

_TYPES = (
    "album", "command", "feed", "list", "neighbours", "official", "own_backend", "weread", "weread_agent"
)  # fmt: skip

_STATES = (
    "ok", "partly", "newest_only", "unchanged", "empty", "closed", "login_expired", "bad_token", "refused",
    "rate_limited", "verification", "unreachable", "not_understood", "foreign", "not_configured",
)  # fmt: skip

_SETS = {
    ("sources", "type"): _TYPES,
    ("sources", "state"): _STATES,
    ("egresses", "reason"): ("", "verification", "rate_limited"),
}

_RENAMED = {
    "sources": {
        "since": "state_since",
        "seen": "listed_count",
        "new": "new_count",
        "failures": "consecutive_failures",
        "next_try_at": "next_fetch_at",
    },
    "egresses": {"blocks": "consecutive_challenges"},
}

# What comments say, now and before.
_COMMENTS: dict[str, tuple[str | None, str]] = {
    "COLUMN sources.state": (
        "how the last try ended; NULL until tried",
        "crawler.discovery.State; NULL until tried",
    ),
    "COLUMN sources.detail": ("message that says why, as JSON", "why it is in this state, in words"),
    "COLUMN sources.memory": (
        "what it stores for its next try: ETag, last page",
        "what it keeps between tries: ETag, last page",
    ),
    "COLUMN sources.next_fetch_at": ("when it is due; NULL: at once", "NULL: as soon as somebody looks"),
    "COLUMN egresses.consecutive_challenges": (None, "challenges in a row"),
    "TABLE egresses": (
        "Network egresses; a challenge blocks all requests through one",
        "Lines to the outside; a challenge holds back all that go through one",
    ),
}

_PARTS: dict[str, tuple[type[sa.types.TypeEngine[Any]], str]] = {
    "biz": (sa.Text, "__biz of a long address, whether or not it is archived"),
    "mid": (sa.BigInteger, "of a long address: number of the push"),
    "idx": (sa.SmallInteger, "of a long address: position in the push"),
    "short_token": (sa.Text, "of a short link: TOKEN of /s/TOKEN"),
    "other_key": (sa.Text, "biz:mid:idx as written, where the numbers begin with zeros"),
}

_LONG = "key ~ '^[^:]+:[0-9]+:[0-9]+$'"

_PLAIN = "key ~ '^[^:]+:(0|[1-9][0-9]{0,17}):(0|[1-9][0-9]{0,2})$'"

_SPLIT = f"""
UPDATE addresses SET
  biz = CASE WHEN {_LONG} THEN split_part(key, ':', 1) END,
  mid = CASE WHEN {_PLAIN} THEN split_part(key, ':', 2)::bigint END,
  idx = CASE WHEN {_PLAIN} THEN split_part(key, ':', 3)::smallint END,
  short_token = CASE WHEN NOT {_LONG} AND key LIKE 's/%' THEN substr(key, 3) END,
  other_key = CASE WHEN NOT {_PLAIN} AND ({_LONG} OR key NOT LIKE 's/%') THEN key END
"""  # noqa: S608 - constants

_JOIN = """
UPDATE addresses SET key = coalesce(biz || ':' || mid || ':' || idx, 's/' || short_token, other_key)
"""

_ONE_IDENTITY = (
    "num_nonnulls(mid, short_token, other_key) = 1 AND num_nulls(mid, idx) <> 1"
    " AND (mid IS NULL OR biz IS NOT NULL) AND (short_token IS NULL OR biz IS NULL)"
)

_UNIQUE = {
    "uq__addresses__mid_idx_biz": ("mid", "idx", "biz"),
    "uq__addresses__short_token": ("short_token",),
    "uq__addresses__other_key": ("other_key",),
}

# The indexes that tell bare addresses: their columns and conditions.
_BARE_INDEXES = {
    "ix__addresses__fetch_order": (
        "{is_bare}, derived.has_failed(last_outcome), derived.failed_at(last_outcome, last_tried_at),"
        " attempts, ({is_long}), next_fetch_at, id",
        "next_fetch_at IS NOT NULL",
    ),
    "ix__addresses__bare_next_fetch_at": ("next_fetch_at", "{is_bare} AND next_fetch_at IS NOT NULL"),
    "ix__addresses__bare_refused_at": (
        "last_tried_at",
        "{is_bare} AND derived.is_refused(last_outcome)",
    ),
}

# By which parameter of derived.is_bare an address is long, and how that is told.
_BY_TOKEN = {"name": "short_token", "is_long": "short_token IS NULL"}

_BY_KEY = {"name": "key", "is_long": "key !~~ 's/%'"}

_IS_BARE = """
CREATE FUNCTION derived.is_bare({name} text, url text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT {is_long} AND url !~ '[?&]chksm=[^&#]'
$$
"""

_COUNTS = """
CREATE OR REPLACE FUNCTION derived.counts_of(r addresses) RETURNS TABLE (name text, key text, value bigint)
LANGUAGE sql IMMUTABLE AS $$
  VALUES ('addresses_scheduled', coalesce(derived.hour_of(r.next_fetch_at), ''),
      (r.next_fetch_at IS NOT NULL)::int::bigint),
    ('addresses_bare', '',
      (r.next_fetch_at IS NOT NULL AND derived.is_bare(r.{name}, r.url))::int::bigint),
    ('addresses_given_up', '',
      (r.next_fetch_at IS NULL
        AND coalesce(r.last_outcome IN ('unknown', 'no_answer', 'not_drawn'), false))::int::bigint)
$$
"""

_COUNT_BARE = """
INSERT INTO derived.counters (name, key, value) SELECT 'addresses_bare', '', count(*) FROM addresses
WHERE next_fetch_at IS NOT NULL AND derived.is_bare({name}, url) HAVING count(*) > 0
"""

_SOURCES = ("uq__sources__account_id_name", "uq__sources__account_id_type_external_id")


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # tables are written again
    for table, names in _RENAMED.items():
        for before, after in names.items():
            op.alter_column(table, before, new_column_name=after)
    for thing, (comment, _) in _COMMENTS.items():
        _comment(thing, comment)
    _split_names_of_sources()
    _split_keys_of_addresses()
    for (table, column), values in _SETS.items():
        _allow_only(table, column, values)


def _comment(thing: str, comment: str | None) -> None:
    text = "NULL" if comment is None else f"'{comment}'"
    op.execute(f"COMMENT ON {thing} IS {text}")


def _split_names_of_sources() -> None:
    which = "which of its type: id of an album, address of a feed; NULL where an account has one"
    op.add_column("sources", sa.Column("type", sa.Text(), comment="album, feed, list, …"))
    op.add_column("sources", sa.Column("external_id", sa.Text(), comment=which))
    op.execute(
        "UPDATE sources SET type = split_part(name, ':', 1),"
        " external_id = CASE WHEN name LIKE '%:%' THEN substr(name, strpos(name, ':') + 1) END"
    )
    op.alter_column("sources", "type", nullable=False)
    op.drop_column("sources", "name")
    op.create_unique_constraint(
        op.f(_SOURCES[1]),
        "sources",
        ["account_id", "type", "external_id"],
        postgresql_nulls_not_distinct=True,
    )


def _split_keys_of_addresses() -> None:
    for name, (kind, comment) in _PARTS.items():
        op.add_column("addresses", sa.Column(name, kind(), comment=comment))
    for name in _BARE_INDEXES:
        op.drop_index(name, "addresses")
    _run(_SPLIT)
    op.drop_column("addresses", "key")
    op.create_check_constraint(op.f("ck__addresses__one_identity"), "addresses", _ONE_IDENTITY)
    for name, columns in _UNIQUE.items():
        where = sa.text(f"{columns[0]} IS NOT NULL")
        op.create_index(name, "addresses", list(columns), unique=True, postgresql_where=where)
    _tell_bare_addresses(_BY_TOKEN)


def _tell_bare_addresses(by: dict[str, str]) -> None:
    """Make what tells bare addresses by a column, and count them."""
    _run("DROP FUNCTION derived.is_bare(text, text)")
    for statement in (
        _IS_BARE,
        _COUNTS,
        "DELETE FROM derived.counters WHERE name = 'addresses_bare'",
        _COUNT_BARE,
    ):
        _run(statement.replace("{name}", by["name"]).replace("{is_long}", by["is_long"]))
    for name, (columns, condition) in _BARE_INDEXES.items():
        index = f"CREATE INDEX {name} ON addresses ({columns}) WHERE {condition}"
        _run(index.format(is_bare=f"derived.is_bare({by['name']}, url)", is_long=by["is_long"]))


def _run(statement: str) -> None:
    """Run a statement that may contain colons and percent signs."""
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def _allow_only(table: str, column: str, values: tuple[str, ...]) -> None:
    """Add a constraint, unless a row of an earlier version breaks it: that could not be changed any more."""
    listed = ", ".join(f"'{value}'" for value in values)
    condition = f"{column} IN ({listed})"
    broken = sa.text(f"SELECT EXISTS (SELECT FROM {table} WHERE NOT ({condition}))")  # noqa: S608 - ours
    if not op.get_bind().scalar(broken):
        op.create_check_constraint(op.f(f"ck__{table}__{column}"), table, condition)


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    for table, column in _SETS:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS ck__{table}__{column}")
    _join_names_of_sources()
    _join_keys_of_addresses()
    for thing, (_, comment) in _COMMENTS.items():
        _comment(thing, comment)
    for table, names in _RENAMED.items():
        for before, after in names.items():
            op.alter_column(table, after, new_column_name=before)


def _join_names_of_sources() -> None:
    what = "kind, and where there may be several, which: album:123, feed:…"
    op.add_column("sources", sa.Column("name", sa.Text(), comment=what))
    op.execute("UPDATE sources SET name = concat_ws(':', type, external_id)")
    op.alter_column("sources", "name", nullable=False)
    for column in ("type", "external_id"):
        op.drop_column("sources", column)
    op.create_unique_constraint(op.f(_SOURCES[0]), "sources", ["account_id", "name"])


def _join_keys_of_addresses() -> None:
    what = "biz:mid:idx, or s/TOKEN of a short link"
    op.add_column("addresses", sa.Column("key", sa.Text(), comment=what))
    for name in _BARE_INDEXES:
        op.drop_index(name, "addresses")
    _run(_JOIN)
    for name in _PARTS:
        op.drop_column("addresses", name)
    op.alter_column("addresses", "key", nullable=False)
    op.create_unique_constraint(op.f("uq__addresses__key"), "addresses", ["key"])
    _tell_bare_addresses(_BY_KEY)

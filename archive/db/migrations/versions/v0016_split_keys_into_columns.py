"""Say in columns what keys said in strings: type and id of a source; name columns by what they hold."""

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

_SETS = {("sources", "type"): _TYPES, ("sources", "state"): _STATES}

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

_SOURCES = ("uq__sources__account_id_name", "uq__sources__account_id_type_external_id")


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # tables are written again
    for table, names in _RENAMED.items():
        for before, after in names.items():
            op.alter_column(table, before, new_column_name=after)
    for thing, (comment, _) in _COMMENTS.items():
        _comment(thing, comment)
    _split_names_of_sources()
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

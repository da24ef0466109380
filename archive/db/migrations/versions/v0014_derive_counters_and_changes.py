"""Keep counters and the list of changes as rows change, and index what every tick and page asks for.

What is derived lies in a schema of its own: it is in no backup, and can be computed again at any time.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0014"

down_revision = "0013"

branch_labels = None

depends_on = None

_COUNTED = (
    "posts", "versions", "captures", "parse_results", "unparsed_captures", "addresses", "media", "files",
)  # fmt: skip

_LISTED = ("versions", "absences")  # tables from which changes follow

_TRANSITIONS = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "NEW TABLE AS new_rows OLD TABLE AS old_rows",
    "DELETE": "OLD TABLE AS old_rows",
}

_INDEXES: dict[str, tuple[str, str, str | None]] = {  # table, columns, condition, by name
    "ix__addresses__fetch_order": (
        "addresses",
        "derived.is_bare(key, url), derived.has_failed(last_outcome),"
        " derived.failed_at(last_outcome, last_tried_at), attempts, (key !~~ 's/%'),"
        " next_fetch_at, id",
        "next_fetch_at IS NOT NULL",
    ),
    "ix__addresses__bare_next_fetch_at": (
        "addresses",
        "next_fetch_at",
        "derived.is_bare(key, url) AND next_fetch_at IS NOT NULL",
    ),
    "ix__addresses__bare_refused_at": (
        "addresses",
        "last_tried_at",
        "derived.is_bare(key, url) AND derived.is_refused(last_outcome)",
    ),
    "ix__addresses__last_tried_at": ("addresses", "last_tried_at", None),
    "ix__addresses__other_post": ("addresses", "last_tried_at", "derived.gave_other_post(last_reason)"),
    "ix__addresses__forgotten": ("addresses", "account_id, aid", "last_outcome = 'forgotten'"),
    "ix__media__fetch_order": (
        "media",
        "attempts, expires_at, (type = 'image'), next_fetch_at, id",
        "next_fetch_at IS NOT NULL",
    ),
    "ix__media__expires_at": ("media", "expires_at", "next_fetch_at IS NOT NULL"),
    "ix__media__waits_until": ("media", "LEAST(next_fetch_at, expires_at)", "next_fetch_at IS NOT NULL"),
    "ix__posts__account_id_published_on": ("posts", "account_id, published_on", None),
    "ix__posts__account_name": ("posts", "account_name", None),
    "ix__runs__command": ("runs", "command, id", None),
    "ix__runs__command_started_at": ("runs", "command, started_at", None),
    "ix__runs__open": ("runs", "command", "finished_at IS NULL"),
    "ix__incidents__closed_at": ("incidents", "closed_at", None),
    "ix__incidents__opened_at": ("incidents", "opened_at, id", None),
    "ix__incidents__key_told_opened_at": ("incidents", "key, told_opened_at", None),
    "ix__incidents__end_not_told": (
        "incidents",
        "opened_at",
        "closed_at IS NOT NULL AND told_opened_at IS NOT NULL AND told_closed_at IS NULL",
    ),
}


# The document was moved after this comment was released; a schema without the column needs none.
_COMMENT = """
DO $$ BEGIN
  IF EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = to_regclass('chain_entries') AND attname = 'content'
  ) THEN
    COMMENT ON COLUMN chain_entries.content IS 'SHA-256 of what the row holds, by the rule of docs/{}';
  END IF;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # every row is counted
    op.execute(_COMMENT.format("reference/integrity.md"))
    sql = Path(__file__).with_name("v0014_derived.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql.replace("%", "%%"))
    for table in _COUNTED:
        _add_triggers(table, "count", "count_changes")
    op.execute(
        "CREATE TRIGGER count_update AFTER UPDATE ON bodies REFERENCING OLD TABLE AS old_rows"
        " NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION derived.count_bodies()"
    )
    for table in _LISTED:
        _add_triggers(table, "list", "list_changes")
    for name, (table, columns, condition) in _INDEXES.items():
        where = f" WHERE {condition}" if condition else ""
        op.get_bind().exec_driver_sql(f"CREATE INDEX {name} ON {table} ({columns}){where}".replace("%", "%%"))
    op.execute(sa.text("SELECT derived.refresh()"))


def _add_triggers(table: str, prefix: str, function: str) -> None:
    for event, transition in _TRANSITIONS.items():
        op.execute(
            f"CREATE TRIGGER {prefix}_{event.lower()} AFTER {event} ON {table} REFERENCING {transition}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION derived.{function}()"
        )


def downgrade() -> None:
    op.execute(_COMMENT.format("integrity.md"))
    for name in _INDEXES:
        op.execute(f"DROP INDEX {name}")
    op.execute("DROP SCHEMA derived CASCADE")

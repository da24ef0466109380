"""Give runs and incidents typed columns, and name columns by what they hold.

Rows of earlier versions are converted; what cannot be converted stays as the string that it was.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"

down_revision = "0016"

branch_labels = None

depends_on = None

BATCH = 2000  # rows a statement

_COLUMNS = (
    ("posts", "facts", "page_metadata"),
    ("post_media", "facts", "page_metadata"),
    ("post_links", "facts", "page_metadata"),
    ("chain_entries", "content", "content_digest"),
    ("runs", "verdict", "status"),
    ("incidents", "told_opened_at", "opened_notified_at"),
    ("incidents", "told_closed_at", "closed_notified_at"),
)

_TABLE = ("post_words", "post_search_documents")

# Constraints and indexes of the table, without its name. What the constraints make indexes of follows them.
_CONSTRAINTS = ("pk__{}", "fk__{}__account_id__accounts", "fk__{}__post_id__posts", "ck__{}__kind")

_INDEXES = (
    "ix__{}__grams",
    "ix__{}__published_on_post_id",
    "ix__{}__account_id_published_on_post_id",
)

_STATUSES = (
    "done", "nothing_due", "partly_failed", "stopped", "nothing_fetched", "verification", "rate_limited",
    "database", "usage", "failed", "sound", "not_sound",
)  # fmt: skip

_CHECKS = {
    "ck__runs__status": ("runs", f"status IN ({', '.join(map(repr, _STATUSES))})"),
    "ck__runs__arguments": ("runs", "jsonb_typeof(arguments) = 'object'"),
    "ck__runs__counts": (
        "runs",
        "jsonb_typeof(counts) = 'object' AND NOT jsonb_path_exists(counts, '$.* ? (@.type() != \"number\")')",
    ),
    "ck__runs__reasons": ("runs", "jsonb_typeof(reasons) = 'object'"),
}

_SETS = {
    ("posts", "source"): ("page", "dump"),
    ("versions", "source"): ("page", "reparse", "dump"),
    ("pending_facts", "fact_kind"): (
        "account", "address", "sighting", "parse_result", "post", "post_media", "post_links", "absences",
        "file",
    ),
}  # fmt: skip

_ENDED = "done, partly_failed, nothing_fetched, verification …; NULL until it is finished"

_VERBATIM = "parameters of the message; of archive.verbatim the sentences of an earlier version"

# What comments say, now and before; those of columns that are new go with them.
_COMMENTS: dict[str, tuple[str, str | None]] = {
    "runs.arguments": (
        "options by name: numbers, booleans, lists; paths, addresses and dates (ISO 8601) as strings",
        None,
    ),
    "runs.counts": ("numbers by name; those of a group as outcomes.article", None),
    "runs.status": (_ENDED, "done, partly_failed, nothing_fetched, verification, …"),
    "runs.egress_id": ("the egress it goes through; NULL while it has none", None),
    "runs.reasons": ("by the name of a count, the first reason given for it", None),
    "incidents.params": (_VERBATIM, "parameters of the message"),
    "incidents.kind": ("what is wrong: quiet, source, disk …; its codes may change", None),
    "incidents.capture_id": ("it may have been removed since", None),
    "incidents.subject": ("of what has no row: a folder, a kind of job, a source not stored", None),
}


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # every run is read
    for table, before, name in _COLUMNS:
        op.alter_column(table, before, new_column_name=name)
    _rename_table(*_TABLE)
    _upgrade_runs()
    _upgrade_incidents()
    _comment(0)
    for (table, column), values in _SETS.items():
        _allow_only(table, column, values)


def _comment(which: int) -> None:
    for column, comments in _COMMENTS.items():
        comment = f"'{comments[which]}'" if comments[which] else "NULL"
        op.execute(f"COMMENT ON COLUMN {column} IS {comment}")


def _allow_only(table: str, column: str, values: tuple[str, ...]) -> None:
    """Add a constraint, unless a row of an earlier version breaks it: that could not be changed any more."""
    condition = f"{column} IN ({', '.join(map(repr, values))})"
    broken = sa.text(f"SELECT EXISTS (SELECT FROM {table} WHERE NOT ({condition}))")  # noqa: S608 - ours
    if not op.get_bind().scalar(broken):
        op.create_check_constraint(op.f(f"ck__{table}__{column}"), table, condition)


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    for table, column in _SETS:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS ck__{table}__{column}")
    _comment(1)
    _rename_table(*reversed(_TABLE))
    for table, name, after in _COLUMNS:
        op.alter_column(table, after, new_column_name=name)
    _downgrade_incidents()
    _downgrade_runs()


def _rename_table(before: str, name: str) -> None:
    op.rename_table(before, name)
    rename = (
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_constraint WHERE conname = '{}'"
        " AND connamespace = current_schema()::regnamespace)"
        " THEN ALTER TABLE {} RENAME CONSTRAINT {} TO {}; END IF; END $$"
    )
    for one in _CONSTRAINTS:  # one is missing where an odd value of an earlier version would break it
        op.execute(rename.format(one.format(before), name, one.format(before), one.format(name)))
    for one in _INDEXES:
        op.execute(f"ALTER INDEX {one.format(before)} RENAME TO {one.format(name)}")


def _upgrade_runs() -> None:
    op.add_column("runs", sa.Column("egress_id", sa.BigInteger()))
    op.create_foreign_key(op.f("fk__runs__egress_id__egresses"), "runs", "egresses", ["egress_id"], ["id"])
    reasons = sa.Column("reasons", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'"))
    op.add_column("runs", reasons)
    op.create_index(op.f("ix__runs__command_status_id"), "runs", ["command", "status", "id"])
    # The egresses of runs that nothing has asked through since: they have no worker.
    op.execute(
        "INSERT INTO egresses (name, seen_at) SELECT arguments ->> 'egress', max(started_at) FROM runs"
        " WHERE jsonb_typeof(arguments -> 'egress') = 'string' GROUP BY 1 ON CONFLICT DO NOTHING"
    )
    op.execute(
        "UPDATE runs SET egress_id = egresses.id, arguments = arguments - 'egress' FROM egresses"
        " WHERE jsonb_typeof(arguments -> 'egress') = 'string' AND egresses.name = arguments ->> 'egress'"
    )
    _rewrite_runs(_typed_run)
    for name, (table, condition) in _CHECKS.items():
        _add_check(name, table, condition)


def _downgrade_runs() -> None:
    op.drop_index(op.f("ix__runs__command_status_id"), table_name="runs")
    for name in _CHECKS:
        op.drop_constraint(op.f(name), "runs", type_="check")
    op.execute(
        "UPDATE runs SET arguments = arguments || jsonb_build_object('egress', egresses.name)"
        " FROM egresses WHERE egresses.id = runs.egress_id"
    )
    _rewrite_runs(_grouped_run)
    op.drop_column("runs", "reasons")
    op.drop_column("runs", "egress_id")


def _add_check(name: str, table: str, condition: str) -> None:
    """Add a constraint; where a row of an earlier version breaks it, for rows written from now on only."""
    broken = sa.text(f"SELECT EXISTS (SELECT FROM {table} WHERE NOT ({condition}))")  # noqa: S608 - ours
    is_broken = op.get_bind().scalar(broken)
    op.create_check_constraint(op.f(name), table, condition, postgresql_not_valid=is_broken)


_UPDATE_RUNS = sa.text("""
UPDATE runs SET arguments = n.arguments, counts = n.counts, reasons = n.reasons
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) n(id bigint, arguments jsonb, counts jsonb, reasons jsonb)
WHERE runs.id = n.id
""")


def _rewrite_runs(convert: Callable[[str, Any, Any, Any], tuple[Any, Any, Any]]) -> None:
    """Replace arguments, counts and reasons of every run that `convert` changes."""
    batch = sa.text(
        "SELECT id, command, arguments, counts, reasons FROM runs WHERE id > :after ORDER BY id LIMIT :batch"
    )
    bind, after = op.get_bind(), 0
    while found := bind.execute(batch, {"after": after, "batch": BATCH}).all():
        after = found[-1].id
        rows = []
        for row in found:
            before = (row.arguments, row.counts, row.reasons)
            new = convert(row.command, *before)
            if new != before:
                rows.append(dict(zip(("id", "arguments", "counts", "reasons"), (row.id, *new), strict=True)))
        if rows:
            bind.execute(_UPDATE_RUNS, {"rows": json.dumps(rows, ensure_ascii=False)})


_AS_PYTHON = ("backfill", "reparse")  # the commands whose options were stored as str() writes them
_TEXTS = ("url", "since", "until", "replay", "record", "account")  # their options that are texts


def _typed_run(command: str, arguments: Any, counts: Any, reasons: Any) -> tuple[Any, Any, Any]:
    """Return the typed form of what an earlier version stored."""
    if command in _AS_PYTHON and isinstance(arguments, dict):
        arguments = {
            name: value if name in _TEXTS else _evaluated(value) for name, value in arguments.items()
        }
    if not isinstance(counts, dict):
        return arguments, {}, {**reasons, "counts": counts}
    if set(counts) == {"counts", "reasons"} and all(isinstance(one, dict) for one in counts.values()):
        counts, reasons = counts["counts"], {**reasons, **counts["reasons"]}  # an import that fetched nothing
    numbers: dict[str, Any] = {}
    others = dict(reasons)
    for name, value in _flat(counts):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        (numbers if is_number else others)[name] = value
    return arguments, numbers, others


def _flat(counts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield counts by name, those of a group as `group.name`."""
    for name, value in counts.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", number) for inner, number in value.items())
        else:
            yield name, value


def _grouped_run(command: str, arguments: Any, counts: Any, reasons: Any) -> tuple[Any, Any, Any]:
    """Return what earlier versions read: the counts of a group as an object, and the reasons among them."""
    found: dict[str, Any] = {}
    for name, value in counts.items():
        group, _, inner = name.partition(".")
        if inner and isinstance(found.setdefault(group, {}), dict):
            found[group][inner] = value
        else:
            found[name] = value
    is_import = command == "backfill" and reasons
    return arguments, {"counts": found, "reasons": reasons} if is_import else found, reasons


_MAX_REPR = 100_000  # characters of a stored option that is read; a longer one stays as it is


def _evaluated(value: Any) -> Any:
    """Return the value that str() wrote: True, a number, a tuple of texts; anything else stays a string."""
    if not isinstance(value, str) or len(value) > _MAX_REPR:
        return value
    try:
        found = ast.literal_eval(value)
        return json.loads(json.dumps(found)) if _is_option(found, value) else value
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _is_option(found: object, value: str) -> bool:
    if isinstance(found, tuple | list):
        return all(isinstance(one, str) for one in found)
    return isinstance(found, bool | int) and str(found) == value  # an aid is a number to Python, too


_OF_ACCOUNTS = ("quiet", "blind", "unwatched")

_KINDS = (
    *("quiet", "blind", "source", "unwatched", "verification", "disk", "jobs", "config", "alarms"),
    *("inbox", "capture", "other_posts", "other"),
)

_SUBJECT = ("kind", "account_id", "source_id", "egress_id", "capture_id", "subject")

_ALONE = ("config", "alarms", "inbox", "other_posts")  # about nothing in particular
_ID = re.compile("[1-9][0-9]{0,17}")

_REFERENCES = {"account_id": "accounts", "source_id": "sources", "egress_id": "egresses"}

_OLD_INDEXES = {
    "ix__incidents__key_told_opened_at": ("key, told_opened_at", None),
    "ix__incidents__end_not_told": (
        "opened_at",
        "closed_at IS NOT NULL AND told_opened_at IS NOT NULL AND told_closed_at IS NULL",
    ),
}

_NEW_INDEXES = {
    "ix__incidents__kind_opened_notified_at": ("kind, opened_notified_at", None),
    "ix__incidents__source_id": ("source_id", None),
    "ix__incidents__end_not_notified": (
        "opened_at",
        "closed_at IS NOT NULL AND opened_notified_at IS NOT NULL AND closed_notified_at IS NULL",
    ),
}


def _upgrade_incidents() -> None:
    for name in _SUBJECT:
        type_ = sa.Text() if name in ("kind", "subject") else sa.BigInteger()
        op.add_column("incidents", sa.Column(name, type_))
    _name_subjects()
    op.alter_column("incidents", "kind", nullable=False)
    op.alter_column("incidents", "subject", nullable=False, server_default="")
    for column, table in _REFERENCES.items():
        op.create_foreign_key(op.f(f"fk__incidents__{column}__{table}"), "incidents", table, [column], ["id"])
    for name in _OLD_INDEXES:
        op.drop_index(op.f(name), table_name="incidents")
    op.drop_index(op.f("uq__incidents__key"), table_name="incidents")
    op.drop_column("incidents", "key")
    op.execute(
        f"CREATE UNIQUE INDEX uq__incidents__subject ON incidents ({', '.join(_SUBJECT)})"
        " NULLS NOT DISTINCT WHERE closed_at IS NULL"
    )
    _create_indexes(_NEW_INDEXES)
    kinds = ", ".join(map(repr, _KINDS))
    op.create_check_constraint(op.f("ck__incidents__kind"), "incidents", f"kind IN ({kinds})")
    op.create_check_constraint(op.f("ck__incidents__params"), "incidents", "jsonb_typeof(params) = 'object'")


def _create_indexes(indexes: Mapping[str, tuple[str, str | None]]) -> None:
    for name, (columns, condition) in indexes.items():
        where = f" WHERE {condition}" if condition else ""
        op.execute(f"CREATE INDEX {name} ON incidents ({columns}){where}")


def _name_subjects() -> None:
    """Give every incident the columns that its key stood for."""
    bind = op.get_bind()
    known = {
        "accounts": {row.biz: row.id for row in bind.execute(sa.text("SELECT id, biz FROM accounts"))},
        "sources": {
            (row.account_id, row.name): row.id
            for row in bind.execute(
                sa.text("SELECT id, account_id, concat_ws(':', type, external_id) AS name FROM sources")
            )
        },
        "egresses": {row.name: row.id for row in bind.execute(sa.text("SELECT id, name FROM egresses"))},
    }
    keys = bind.execute(sa.text("SELECT id, key FROM incidents ORDER BY id")).all()
    update = sa.text(
        "UPDATE incidents SET kind = :kind, account_id = :account_id, source_id = :source_id,"
        " egress_id = :egress_id, capture_id = :capture_id, subject = :subject WHERE id = :id"
    )
    for start in range(0, len(keys), BATCH):
        rows = [{"id": row.id, **subject_of(row.key, known)} for row in keys[start : start + BATCH]]
        bind.execute(update, rows)


def subject_of(key: str, known: Mapping[str, Mapping[Any, int]]) -> dict[str, Any]:
    """Return the columns of a key; `known` has the ids of accounts, sources and egresses."""
    kind, _, rest = key.partition(":")
    biz, _, name = rest.partition(":")
    found: dict[str, Any] = {"kind": kind, "subject": ""}
    if kind in _OF_ACCOUNTS and rest:
        account = known["accounts"].get(rest)
        found |= {"account_id": account, "subject": "" if account else rest}
    elif kind == "source" and biz and name:
        account = known["accounts"].get(biz)
        source = known["sources"].get((account, name))
        left = "" if source else name if account else rest
        found |= {"account_id": account, "source_id": source, "subject": left}
    elif kind == "verification" and rest:
        egress = known["egresses"].get(rest)
        found |= {"egress_id": egress, "subject": "" if egress else rest}
    elif kind == "capture" and _ID.fullmatch(rest):
        found["capture_id"] = int(rest)
    elif kind in ("disk", "jobs") and rest:
        found["subject"] = rest
    elif key != "capture:more" and key not in _ALONE:
        found = {"kind": "other", "subject": key}
    return dict.fromkeys(_SUBJECT) | found


def _downgrade_incidents() -> None:
    op.add_column(
        "incidents",
        sa.Column("key", sa.Text(), comment="what is wrong, and with what: quiet:BIZ, source:BIZ:album:1"),
    )
    op.execute("""
UPDATE incidents i SET key = CASE WHEN kind = 'other' THEN subject ELSE concat_ws(':', kind,
  (SELECT biz FROM accounts WHERE id = i.account_id),
  (SELECT concat_ws(':', type, external_id) FROM sources WHERE id = i.source_id),
  (SELECT name FROM egresses WHERE id = i.egress_id), capture_id, nullif(subject, ''),
  CASE WHEN kind = 'capture' AND capture_id IS NULL AND subject = '' THEN 'more' END) END
""")
    op.alter_column("incidents", "key", nullable=False)
    op.drop_constraint(op.f("ck__incidents__params"), "incidents", type_="check")
    for name in (*_NEW_INDEXES, "uq__incidents__subject"):
        op.drop_index(op.f(name), table_name="incidents")
    for name in _SUBJECT:
        op.drop_column("incidents", name)
    op.execute("CREATE UNIQUE INDEX uq__incidents__key ON incidents (key) WHERE closed_at IS NULL")
    _create_indexes(_OLD_INDEXES)

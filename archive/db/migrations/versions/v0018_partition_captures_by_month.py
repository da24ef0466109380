"""Partition captures by the month in which they are recorded, which is a part of their id.

The rows that are there become one partition as they are: none is copied, and each keeps its id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import sqlalchemy as sa
from alembic import op

revision = "0018"

down_revision = "0017"

branch_labels = None

depends_on = None

MONTHS_AHEAD = 3  # which are made besides the present one

_OLD = "captures_without_month"

_Row: TypeAlias = sa.Row[*tuple[str, ...]]

_INDEXES = ("address_id", "run_id", "sha256")

_FOREIGN_KEYS = sa.text("""
SELECT conrelid::regclass::text AS table_name, conname, pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND 'captures'::regclass IN (conrelid, confrelid)
ORDER BY conrelid = 'captures'::regclass DESC, table_name, conname
""")

_TRIGGERS = sa.text("""
SELECT tgname, pg_get_triggerdef(oid) AS definition FROM pg_trigger
WHERE tgrelid = 'captures'::regclass AND NOT tgisinternal ORDER BY tgname
""")

# Functions whose argument is a row of captures; views may use any of them.
_FUNCTIONS = sa.text("""
SELECT p.oid::regprocedure::text AS name, pg_get_functiondef(p.oid) AS definition
FROM pg_proc p JOIN pg_class c ON c.reltype = ANY(p.proargtypes::oid[])
WHERE c.oid = 'captures'::regclass ORDER BY p.oid
""")

_VIEWS = sa.text("""
SELECT oid::regclass::text AS name, pg_get_viewdef(oid) AS definition FROM pg_class
WHERE relkind = 'v' AND relnamespace = 'derived'::regnamespace ORDER BY oid
""")

_COMMENT = sa.text("SELECT quote_literal(obj_description('captures'::regclass))")

_NEXT_SERIAL = sa.text(
    "SELECT greatest(last_value, (SELECT max(id % 1000000000) FROM captures)),"
    " is_called OR EXISTS (SELECT FROM captures) FROM captures_id_seq"
)

# Clocks go wrong: an id that is recorded later may be of an earlier month. Its last nine digits always rise.
_STORED = """
SELECT c.id, c.sha256, derived.month_of(c.fetched_at) AS month, length(b.data)::bigint AS bytes
FROM captures c JOIN bodies b ON b.sha256 = c.sha256
WHERE NOT EXISTS (
  SELECT FROM captures earlier
  WHERE earlier.sha256 = c.sha256 AND earlier.id % 1000000000 < c.id % 1000000000
)
"""

_MOVED = sa.text(
    f"SELECT DISTINCT id / 1000000000 FROM partitions.{_OLD} WHERE id >= 1000000000 ORDER BY 1"  # noqa: S608
)

_COLUMNS = sa.text(
    "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
    " WHERE attrelid = 'captures'::regclass AND attnum > 0 AND NOT attisdropped"
)


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # keys that refer to captures are checked anew
    bind = op.get_bind()
    serial, is_used = bind.execute(_NEXT_SERIAL).one()
    belongings = _Belongings.read()
    belongings.drop()
    _set_aside()
    sql = Path(__file__).with_name("v0018_captures.sql").read_text(encoding="utf-8")
    bind.exec_driver_sql(sql.replace("%", "%%"))
    op.execute(f"SELECT setval('captures_id_seq', {serial}, {is_used})")
    _add_indexes_and_keys(belongings.own_keys)
    _attach()
    belongings.give_to_new_table({"derived.stored": _STORED})
    for month in range(MONTHS_AHEAD + 1):
        op.execute(
            "SELECT partitions.add_capture_month(to_char(timezone('UTC', now())"
            f" + interval '{month} months', 'YYYYMM')::integer)"
        )


def _set_aside() -> None:
    """Move the table with its indexes to the schema of partitions, and give it a name of its own."""
    op.execute("ALTER TABLE captures ALTER COLUMN id DROP IDENTITY")
    op.execute("ALTER TABLE captures SET SCHEMA partitions")
    op.execute(f"ALTER TABLE partitions.captures RENAME TO {_OLD}")
    op.execute(f"ALTER TABLE partitions.{_OLD} RENAME CONSTRAINT pk__captures TO {_OLD}_pkey")
    for column in _INDEXES:
        op.execute(f"ALTER INDEX partitions.ix__captures__{column} RENAME TO {_OLD}_{column}_idx")


@dataclass(frozen=True)
class _Belongings:
    """What belongs to the table `captures`: its comment as SQL, keys, triggers, functions of its rows, views.

    The keys are both its own and those of other tables that refer to it; the views are all of `derived`.
    """

    comment: str
    keys: Sequence[_Row]
    triggers: Sequence[_Row]
    functions: Sequence[_Row]
    views: Sequence[_Row]

    @classmethod
    def read(cls) -> "_Belongings":
        statements = _FOREIGN_KEYS, _TRIGGERS, _FUNCTIONS, _VIEWS
        return cls(op.get_bind().scalar(_COMMENT), *(op.get_bind().execute(one).all() for one in statements))

    @property
    def own_keys(self) -> list[_Row]:
        return [key for key in self.keys if key.table_name == "captures"]

    def drop(self) -> None:
        """Drop all but the comment and the own keys, which go with the table."""
        for view in reversed(self.views):
            op.execute(f"DROP VIEW {view.name}")
        for function in self.functions:
            op.execute(f"DROP FUNCTION {function.name}")
        for trigger in self.triggers:
            op.execute(f"DROP TRIGGER {trigger.tgname} ON captures")
        for key in self.keys:
            if key not in self.own_keys:
                op.execute(f"ALTER TABLE {key.table_name} DROP CONSTRAINT {key.conname}")

    def give_to_new_table(self, views: dict[str, str]) -> None:
        """Create all but the own keys again, now that another table has the name; `views` are redefined."""
        op.execute(f"COMMENT ON TABLE captures IS {self.comment}")
        for key in self.keys:
            if key not in self.own_keys:
                op.execute(f"ALTER TABLE {key.table_name} ADD CONSTRAINT {key.conname} {key.definition}")
        statements = [one.definition for one in (*self.triggers, *self.functions)]
        statements += [
            f"CREATE VIEW {one.name} AS {views.get(one.name, one.definition)}" for one in self.views
        ]
        for statement in statements:
            op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def _add_indexes_and_keys(own_keys: Sequence[_Row]) -> None:
    for column in _INDEXES:
        op.create_index(op.f(f"ix__captures__{column}"), "captures", [column])
    for key in own_keys:
        op.execute(f"ALTER TABLE captures ADD CONSTRAINT {key.conname} {key.definition}")


def _attach() -> None:
    """Attach the rows set aside; they have the indexes and keys of the new table already."""
    _move_rows_with_month()
    op.execute(
        f"ALTER TABLE captures ATTACH PARTITION partitions.{_OLD} FOR VALUES FROM (MINVALUE) TO (1000000000)"
    )


def _move_rows_with_month() -> None:
    """Copy the rows of an archive that had this revision, and was brought back, to their months again."""
    bind = op.get_bind()
    columns = bind.scalar(_COLUMNS)
    for month in bind.scalars(_MOVED).all():
        op.execute(f"SELECT partitions.add_capture_month({month})")
        op.execute(
            f"WITH moved AS (DELETE FROM partitions.{_OLD} WHERE id / 1000000000 = {month}"  # noqa: S608
            f" RETURNING {columns}) INSERT INTO captures ({columns}) SELECT {columns} FROM moved"
        )


def downgrade() -> None:
    """Copy all rows into one table again; they keep their ids."""
    op.execute("SET LOCAL statement_timeout = 0")
    bind = op.get_bind()
    serial = bind.scalar(sa.text("SELECT coalesce(max(id % 1000000000), 0) + 1 FROM captures"))
    belongings = _Belongings.read()
    belongings.drop()
    op.execute(
        "CREATE TABLE whole (LIKE captures INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)"
    )
    op.execute("INSERT INTO whole SELECT * FROM captures")
    op.execute("DROP FUNCTION partitions.add_capture_month(integer)")
    op.execute("DROP FUNCTION partitions.new_capture_id() CASCADE")  # the ids' default of every partition
    op.execute("DROP TABLE captures")
    op.execute("ALTER TABLE whole RENAME TO captures")
    op.execute(
        "ALTER TABLE captures ADD CONSTRAINT pk__captures PRIMARY KEY (id),"
        f" ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (START WITH {serial})"
    )
    _add_indexes_and_keys(belongings.own_keys)
    belongings.give_to_new_table({})

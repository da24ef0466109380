"""Row checksums ("seals"), computed by triggers of the database, so that a damaged row is found.

A migration that creates a table, or adds a column to one, calls `seal` for that table. Published migrations
call these functions, so their effect is frozen: to compute checksums in another way, write new functions.
"""

from collections.abc import Collection

from sqlalchemy import Connection, text

# Triggers fire in the order of their names: this one after all that fill columns.
TRIGGER = "zz_seal"

_ADD = """
ALTER TABLE {table} ADD COLUMN IF NOT EXISTS seal bytea;
COMMENT ON COLUMN {table}.seal IS 'SHA-256 of the row, made by its trigger';
CREATE OR REPLACE FUNCTION seal_of(row_ {table}) RETURNS bytea LANGUAGE sql STABLE AS
$$ SELECT sha256(convert_to(jsonb_build_array({values})::text, 'UTF8')) $$;
CREATE OR REPLACE FUNCTION seal_{table}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS
$$ BEGIN NEW.seal := seal_of(NEW); RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {table}
FOR EACH ROW EXECUTE FUNCTION seal_{table}();
UPDATE {table} SET seal = NULL;
ALTER TABLE {table} ALTER COLUMN seal SET NOT NULL
"""

_REMOVE = """
DROP TRIGGER {trigger} ON {table};
DROP FUNCTION seal_{table}();
DROP FUNCTION seal_of({table});
ALTER TABLE {table} DROP COLUMN seal
"""

# Long texts are hashed separately: inside JSON every character would be escaped first.
_LONG = "html"

# Columns computed by the database itself have no value yet when the trigger fires.
_COLUMNS = text(
    "SELECT attname, atttypid::regtype::text FROM pg_attribute WHERE attrelid = to_regclass(:table)"
    " AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attname <> 'seal' ORDER BY attnum"
)


def seal(connection: Connection, table: str, but: Collection[str] = ()) -> None:
    """Add checksums to a table's present and future rows; call it again after a column was added.

    `but` names columns that another hash in the row covers: hashing them again would cost most.
    """
    columns = connection.execute(_COLUMNS, {"table": table})
    values = ", ".join(_value(name, type_) for name, type_ in columns if name not in but)
    connection.execute(text(_ADD.format(table=table, values=values, trigger=TRIGGER)))


def damaged_rows(connection: Connection, table: str) -> list[int]:
    """Return the ids of the rows whose checksum is wrong; ask before all checksums are made again."""
    wrong = f"SELECT id FROM {table} WHERE seal IS DISTINCT FROM seal_of({table}) ORDER BY id"  # noqa: S608
    return list(connection.execute(text(wrong)).scalars())


def leave_damaged(connection: Connection, table: str, ids: Collection[int]) -> None:
    """Make the checksums of these rows wrong again: right ones would hide the damage from `verify`."""
    if ids:
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER {TRIGGER}"))
        wrong = text(f"UPDATE {table} SET seal = '' WHERE id = ANY(:ids)")  # noqa: S608 - our own names
        connection.execute(wrong, {"ids": list(ids)})
        connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER {TRIGGER}"))


def unseal(connection: Connection, table: str) -> None:
    """Remove the checksums of a table."""
    connection.execute(text(_REMOVE.format(table=table, trigger=TRIGGER)))


def _value(name: str, type_: str) -> str:
    """Return the SQL of a column's hashed form: independent of session settings, long values hashed."""
    match type_:
        case "bytea":
            return f"encode(sha256(row_.{name}), 'hex')"
        case "text" if name == _LONG:
            return f"encode(sha256(convert_to(row_.{name}, 'UTF8')), 'hex')"
        case "timestamp with time zone":
            return f"row_.{name} AT TIME ZONE 'UTC'"
    return f"row_.{name}"

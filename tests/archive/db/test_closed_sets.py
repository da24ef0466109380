"""Every column of text is free text that is listed here, or has a closed set that the database holds."""

from sqlalchemy import Engine, text

# By table: the columns whose values nobody can list, with what they are.
FREE_TEXT = {
    "absences": {"reason": "a sentence of the page"},
    "accounts": {"biz": "WeChat's identifier", "name": "of an account"},
    "addresses": {
        "biz": "WeChat's identifier", "expected_biz": "the same", "aid": "mid_idx",
        "short_token": "WeChat's own", "other_key": "identifies an address", "url": "an address",
        "last_reason": "a message",
    },
    "captures": {"requested_url": "an address", "final_url": "an address"},
    "chains": {"biz": "WeChat's identifier, or empty"},
    "egresses": {"name": "given by the user"},
    "files": {"media_type": "of any file, by its content", "path": "in the media folder"},
    "incidents": {"subject": "a folder, a job, a source", "code": "of a message: each version adds some"},
    "media": {"key": "identifies a medium", "url": "an address", "last_reason": "a message"},
    "parse_results": {"reason": "a message"},
    "post_links": {"key": "identifies what it leads to", "url": "an address", "text": "of the link"},
    "post_search_documents": {"words": "of a post"},
    "posts": {
        "aid": "mid_idx", "title": "of a post", "url": "an address", "account_name": "of an account",
        "html": "of a post", "content_hash": "a hash with its version",
    },
    "reader_notes": {"note": "of the reader"},
    "removals": {"biz": "as in chains", "reason": "of the operator"},
    "runs": {"command": "of the program and its spiders; each version adds some"},
    "saved_searches": {"name": "given by the reader"},
    "sightings": {"source": "name of a source with its id", "url": "an address", "title": "a text"},
    "sources": {"external_id": "of an album or a feed", "detail": "a message"},
    "versions": {"title": "of a post", "text": "of a post", "content_hash": "a hash with its version"},
}  # fmt: skip

# A constraint that only says how long a value is, or of which form, names no set.
OPEN_COLUMNS = text("""
SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> 'alembic_version'
  AND a.atttypid IN ('text'::regtype, 'varchar'::regtype)
  AND NOT EXISTS (
    SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND a.attnum = ANY(k.conkey)
      AND (k.contype = 'f' OR k.contype = 'c' AND k.conkey = ARRAY[a.attnum]
        AND pg_get_constraintdef(k.oid) ~ ('\\(\\(?' || a.attname || ' = ANY'))
  )
ORDER BY 1, 2
""")


def test_every_text_is_free_or_of_a_closed_set(engine: Engine) -> None:
    with engine.connect() as connection:
        found = {(table, column) for table, column in connection.execute(OPEN_COLUMNS)}
    listed = {(table, column) for table, columns in FREE_TEXT.items() for column in columns}
    assert found - listed == set(), (
        "a column of text without a closed set: add a CHECK, or list it as free text"
    )
    assert listed - found == set(), "these are closed by now, or gone"


def test_a_new_column_without_a_set_is_found(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE runs ADD COLUMN odd text, ADD CONSTRAINT x CHECK (odd <> '')"))
        found = [tuple(row) for row in connection.execute(OPEN_COLUMNS)]
        assert ("runs", "odd") in found
        assert not {("runs", "status"), ("posts", "kind"), ("incidents", "kind")} & set(found)
        connection.rollback()


def test_every_object_of_runs_and_incidents_is_one(engine: Engine) -> None:
    constraints = text(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND convalidated"
        " AND conrelid IN ('runs'::regclass, 'incidents'::regclass)"
    )
    with engine.connect() as connection:
        names = set(connection.scalars(constraints))
    assert {"ck__runs__arguments", "ck__runs__counts", "ck__runs__reasons", "ck__incidents__params"} <= names

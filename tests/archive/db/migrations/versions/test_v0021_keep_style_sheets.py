"""Test that an older archive takes style sheets, and that a downgrade and an upgrade keep those it has."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from tests.archive.db.migrations.migrating import migrate

ROWS = text("""
    WITH file AS (
      INSERT INTO files (sha256, size, media_type, path) VALUES ('\\x01', 1, 'text/css', 'a.css') RETURNING id
    )
    INSERT INTO media (key, url, type, file_id)
    SELECT 'kept', 'kept', 'style', id FROM file UNION ALL SELECT 'due', 'due', 'style', NULL
    UNION ALL SELECT 'picture', 'picture', 'image', NULL
""")
TYPES = text("SELECT key, type FROM media ORDER BY key")


def test_an_older_archive_takes_style_sheets_and_a_downgrade_keeps_their_files(engine: Engine) -> None:
    migrate(engine, "0020")
    with pytest.raises(IntegrityError, match="ck__media__type"), engine.begin() as connection:
        connection.execute(ROWS)
    migrate(engine, "0021")
    with engine.begin() as connection:
        connection.execute(ROWS)
    migrate(engine, "0020")
    with engine.connect() as connection:
        assert connection.execute(TYPES).all() == [("kept", "image"), ("picture", "image")]
    migrate(engine, "0021")
    with engine.connect() as connection:
        assert connection.execute(TYPES).all() == [("kept", "style"), ("picture", "image")]

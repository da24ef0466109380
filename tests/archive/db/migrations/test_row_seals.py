"""Test the row checksums that triggers of the database compute."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.db.migrations.row_seals import TRIGGER, seal, unseal

MAKE = "CREATE TABLE things (id bigint, name text, html text, body bytea, at timestamptz)"
ADD = "INSERT INTO things (id, name, html, body, at) VALUES (1, 'a', '<p>', 'x', now())"
IS_RIGHT = text("SELECT seal = seal_of(t) FROM things t")


@pytest.fixture
def things(db_session: Session) -> Session:
    """Make a table with one sealed row."""
    for statement in (MAKE, ADD):
        db_session.execute(text(statement))
    seal(db_session.connection(), "things")
    return db_session


def test_rows_that_were_there_and_rows_that_come_have_a_checksum(things: Session) -> None:
    things.execute(text(ADD))
    assert things.scalars(IS_RIGHT).all() == [True, True]


@pytest.mark.parametrize("change", ["name = 'b'", "html = '<b>'", "body = 'y'", "at = at + interval '1 s'"])
def test_a_change_past_the_trigger_is_noticed_in_every_column(things: Session, change: str) -> None:
    things.execute(text(f"ALTER TABLE things DISABLE TRIGGER {TRIGGER}"))
    things.execute(text(f"UPDATE things SET {change}"))
    assert things.scalar(IS_RIGHT) is False


def test_a_column_added_later_is_covered_after_sealing_again(things: Session) -> None:
    things.execute(text("ALTER TABLE things ADD COLUMN later text"))
    seal(things.connection(), "things")
    things.execute(text(f"ALTER TABLE things DISABLE TRIGGER {TRIGGER}"))
    things.execute(text("UPDATE things SET later = 'x'"))
    assert things.scalar(IS_RIGHT) is False


def test_a_column_that_another_hash_covers_is_left_out(things: Session) -> None:
    seal(things.connection(), "things", but=("name",))
    things.execute(text(f"ALTER TABLE things DISABLE TRIGGER {TRIGGER}"))
    things.execute(text("UPDATE things SET name = 'b'"))
    assert things.scalar(IS_RIGHT) is True


def test_checksums_do_not_depend_on_the_time_zone_of_the_session(things: Session) -> None:
    things.execute(text("SET LOCAL timezone = 'Asia/Shanghai'"))
    assert things.scalar(IS_RIGHT) is True


def test_unsealing_leaves_the_table_as_it_was(things: Session) -> None:
    unseal(things.connection(), "things")
    things.execute(text(ADD))
    columns = things.execute(text("SELECT * FROM things LIMIT 1")).keys()
    assert "seal" not in columns

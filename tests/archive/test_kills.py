"""What a killed process leaves: every answer it kept, none of what it had not finished."""

from sqlalchemy import Engine

from archive import queries
from archive.database import transaction
from archive.store import store_readings
from tests.archive.children import BODIES
from tests.archive.conftest import StartChild
from tests.archive.making import NOW, article, record


def test_answers_kept_before_a_kill_are_read_after_it(
    engine: Engine, fresh_database_url: str, start_child: StartChild
) -> None:
    child = start_child("keep", MPARCHIVE_DATABASE_URL=fresh_database_url)
    assert child.stdout and child.stdout.readline() == "open\n"
    child.kill()
    child.wait(10)
    with transaction(engine) as session:
        unread = queries.unread_captures(session)
        assert [queries.capture_body(session, id_) for id_ in unread] == BODIES
        assert list(queries.records(session)) == []
        readings = [(id_, article(record(n))) for n, id_ in enumerate(unread)]
        assert store_readings(session, None, readings, NOW, 1) == ["new"] * len(BODIES)
    with transaction(engine) as session:
        assert queries.unread_captures(session) == []
        assert len(list(queries.records(session))) == len(BODIES)

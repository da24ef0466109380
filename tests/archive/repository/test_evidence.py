"""Test which facts are read of rows, and which of them have changed."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.db.models import Base, ChainEntry
from archive.ingest.pages import import_records
from archive.repository.evidence import RULES, FactKind, changed_facts, facts_of
from archive.repository.hash_chain import append_noted
from tests.archive.making import NOW, record


def test_a_fact_is_changed_while_it_differs_from_its_last_entry(db_session: Session) -> None:
    import_records(db_session, None, [record(1), record(2)], "dump", NOW)
    append_noted(db_session)
    ids = {kind: db_session.scalars(text(f"SELECT id FROM {RULES[kind].table}")).all() for kind in FactKind}
    assert list(changed_facts(db_session, ids)) == []
    db_session.execute(text("UPDATE sightings SET title = 'x' WHERE id = (SELECT min(id) FROM sightings)"))
    (fact,) = changed_facts(db_session, ids)
    assert (fact.kind, fact.id) == ("sighting", min(ids[FactKind.SIGHTING]))


def test_the_facts_of_a_post_without_media_links_and_absences_are_empty(db_session: Session) -> None:
    import_records(db_session, None, [record(1)], "dump", NOW)
    ids = {"ids": db_session.scalars(text("SELECT id FROM posts")).all()}
    for kind in (FactKind.POST_MEDIA, FactKind.POST_LINKS, FactKind.ABSENCES, FactKind.POST):
        (fact,) = db_session.execute(facts_of(kind), ids)
        assert fact.is_empty is (kind is not FactKind.POST)


def test_the_content_of_a_fact_does_not_depend_on_the_session(db_session: Session) -> None:
    import_records(db_session, None, [record(1)], "dump", NOW)
    ids = {"ids": db_session.scalars(text("SELECT id FROM posts")).all()}
    contents = set()
    for setting in ("timezone = 'Asia/Shanghai'", "timezone = 'UTC'", "datestyle = 'German'"):
        db_session.execute(text(f"SET LOCAL {setting}"))
        contents |= {row.content for row in db_session.execute(facts_of(FactKind.POST), ids)}
    assert len(contents) == 1


def test_the_database_takes_the_kinds_that_have_a_rule_and_no_other() -> None:
    (check,) = [
        constraint
        for constraint in Base.metadata.tables[ChainEntry.__tablename__].constraints
        if constraint.name == "ck__chain_entries__fact_kind"
    ]
    assert [kind.strip("'") for kind in str(check.sqltext).partition("(")[2][:-1].split(", ")] == list(RULES)  # type: ignore[attr-defined]

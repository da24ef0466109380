"""Test that the search index follows the posts, and that a check finds where it does not."""

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from archive.db.models import Post, PostSearchDocument
from archive.domain.search_text import words_of
from archive.ingest.pages import import_records
from archive.repository import search_index
from tests.archive.making import NOW, record


def post_ids(session: Session, *numbers: int) -> list[int]:
    """Import these records; return the ids of their posts."""
    import_records(session, None, [record(number) for number in numbers], "dump", NOW)
    return list(session.scalars(select(Post.id).order_by(Post.id)))


def test_a_post_is_indexed_by_title_and_text_when_it_is_written(db_session: Session) -> None:
    (post_id,) = post_ids(db_session, 1)
    indexed = db_session.scalar(select(PostSearchDocument.words).where(PostSearchDocument.post_id == post_id))
    assert indexed == words_of(record().title, record().text)


def test_a_post_is_found_by_all_of_its_grams_and_by_no_other(db_session: Session) -> None:
    ids = post_ids(db_session, 1, 2)
    matching = (
        select(PostSearchDocument.post_id).where(search_index.has_grams(["第", "一段"])).order_by("post_id")
    )
    assert db_session.scalars(matching).all() == ids
    assert (
        db_session.scalars(select(PostSearchDocument.post_id).where(search_index.has_grams(["第九"]))).all()
        == []
    )


def test_errors_name_only_the_posts_that_have_them(db_session: Session) -> None:
    first, second, third = post_ids(db_session, 1, 2, 3)
    db_session.execute(text("DELETE FROM post_search_documents WHERE post_id = :id"), {"id": second})
    db_session.execute(
        text("UPDATE post_search_documents SET words = 'x' WHERE post_id = :id"), {"id": third}
    )
    errors = search_index.search_index_errors(db_session, [first, second, third])
    assert {id_: reason.code for id_, reason in errors} == {
        second: "archive.search_index.post_missing",
        third: "archive.search_index.text_differs",
    }


def test_a_rebuild_reports_its_progress_and_leaves_no_error(db_session: Session) -> None:
    ids = post_ids(db_session, 1, 2, 3)
    db_session.execute(text("DELETE FROM post_search_documents"))
    done: list[int] = []
    assert search_index.rebuild_search_index(db_session, done.append) == len(ids)
    assert (done, search_index.check_search_index(db_session)) == ([3], [])

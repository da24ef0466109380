"""What readers note is stored apart from the evidence, bounded, found by search, and in backups."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import Post
from archive.domain.errors import NotArchived
from archive.ingest.pages import import_records
from archive.repository import notes, post_queries
from archive.repository.hash_chain import append_noted, chain_heads
from archive.repository.notes import MAX_NOTE, MAX_TAG, MAX_TAGS, Note, NoteError, read_tags
from archive.repository.post_queries import PostFilter
from archive.search.lookup import facets_of_hits, find_hits, with_query
from archive.search.query import SearchError, split_note_terms
from tests.archive.making import NOW, record


@pytest.fixture
def ids(db_session: Session) -> dict[str, int]:
    """Store three posts and return their ids by aid."""
    import_records(db_session, None, [record(number, text="合成正文\r") for number in (1, 2, 3)], "dump", NOW)
    return {aid: post_id for aid, post_id in db_session.execute(select(Post.aid, Post.id))}


@pytest.fixture
def noted(db_session: Session, ids: dict[str, int]) -> Session:
    """Note something of two of them."""
    notes.put_note(db_session, ids["1001_1"], Note(True, ("政策", "重要")), NOW)
    notes.put_note(db_session, ids["1002_1"], Note(tags=("政策",), note="<script>1</script>\r\n"), NOW)
    return db_session


def test_tags_are_separated_folded_and_bounded() -> None:
    assert read_tags(" 政策，#重要、ＡＢc  abC; ") == ("abc", "政策", "重要")
    assert read_tags("") == ()
    with pytest.raises(NoteError, match="characters"):
        read_tags("x" * (MAX_TAG + 1))
    with pytest.raises(NoteError, match="at most"):
        read_tags(" ".join(map(str, range(MAX_TAGS + 1))))


def test_a_note_is_replaced_whole_and_an_empty_one_is_none(noted: Session, ids: dict[str, int]) -> None:
    found = notes.notes_of(noted, ids.values())
    assert found[ids["1002_1"]] == Note(False, ("政策",), "<script>1</script>", NOW)
    assert set(found) == {ids["1001_1"], ids["1002_1"]}
    notes.put_note(noted, ids["1001_1"], Note(note="改\x00"), NOW + timedelta(days=1))
    assert [one.aid for one in notes.noted_posts(noted)] == ["1001_1", "1002_1"]  # the latest note first
    assert notes.notes_of(noted, ids.values())[ids["1001_1"]].note == "改\ufffd"
    notes.put_note(noted, ids["1001_1"], Note(), NOW)
    assert [one.aid for one in notes.noted_posts(noted)] == ["1002_1"]
    with pytest.raises(NoteError, match="5001 characters"):
        notes.put_note(noted, ids["1001_1"], Note(note="字" * (MAX_NOTE + 1)), NOW)


@pytest.mark.parametrize(
    ("words", "aids"),
    [
        ("tag:政策", ["1002_1", "1001_1"]),
        ("tag:政策 tag:重要", ["1001_1"]),
        ("合成 tag:“政策” is:starred", ["1001_1"]),
        ('tag:"没有"', []),
        ("无此字 is:starred", []),
    ],
)
def test_search_finds_posts_by_their_notes(noted: Session, words: str, aids: list[str]) -> None:
    assert [hit.aid for hit in find_hits(noted, words).hits] == aids
    facets = facets_of_hits(noted, words)
    assert (facets.total if facets else 0) == len(aids)
    chosen = with_query(noted, words, PostFilter())
    assert [one.aid for one in post_queries.records(noted, chosen)] == aids


def test_terms_in_quotation_marks_are_words() -> None:
    assert split_note_terms('"tag:政策" x') == ('"tag:政策" x', (), False)
    assert split_note_terms("a is:starred tag:b xtag:c") == ("a   xtag:c", ("b",), True)
    assert split_note_terms("tag:") == ("tag:", (), False)


def test_a_search_for_excluded_words_only_is_refused_with_a_tag_too(noted: Session) -> None:
    with pytest.raises(SearchError):
        find_hits(noted, "-合成 tag:政策")


def test_tags_are_counted_and_searches_saved_and_removed(noted: Session) -> None:
    assert notes.tag_counts(noted) == [("政策", 2), ("重要", 1)]
    assert notes.count_starred(noted) == 1
    notes.save_search(noted, " 合成  搜索 ", {"q": "合成"}, NOW)
    notes.save_search(noted, "合成 搜索", {"q": "合成", "kind": "picture"}, NOW)
    (saved,) = notes.saved_searches(noted)
    assert (saved.name, saved.query) == ("合成 搜索", {"q": "合成", "kind": "picture"})
    notes.remove_search(noted, saved.id)
    assert not notes.saved_searches(noted)
    with pytest.raises(NotArchived):
        notes.remove_search(noted, saved.id)
    for name in ("", " ", "x" * 101):
        with pytest.raises(NoteError):
            notes.save_search(noted, name, {}, NOW)


def test_the_number_of_saved_searches_is_bounded(
    db_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archive.repository.notes.MAX_SEARCHES", 2)
    for name in ("a", "b"):
        notes.save_search(db_session, name, {}, NOW)
    notes.save_search(db_session, "a", {"q": "x"}, NOW)  # in place of the other
    with pytest.raises(NoteError, match="2 saved searches"):
        notes.save_search(db_session, "c", {}, NOW)


def test_notes_are_in_no_chain_and_change_no_record(db_session: Session, ids: dict[str, int]) -> None:
    append_noted(db_session)
    heads, records = chain_heads(db_session), list(post_queries.records(db_session))
    notes.put_note(db_session, ids["1001_1"], replace(Note(), is_starred=True, note="记"), NOW)
    notes.save_search(db_session, "a", {}, NOW)
    append_noted(db_session)
    assert chain_heads(db_session) == heads
    assert list(post_queries.records(db_session)) == records

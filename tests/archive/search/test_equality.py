"""Search finds what looking through every post for the words would find: no post less, none more."""

import html
import json
import random
import re
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from archive.db.models import Post, PostSearchDocument
from archive.domain.search_text import grams_of, is_exact
from archive.repository.search_index import check_search_index
from archive.search.engine import matching, search
from archive.search.query import MAX_QUERY_WORDS, Query, parse

QUERIES = 10_000
STATED = 500
SEARCHED = 20  # of them, by search itself, all their pages
Texts = dict[int, str]
# What `matching` says, of all queries at once: each on its own would take the time of 10,000 statements.
_MATCHING = text(
    "SELECT q.place, (SELECT array_agg(post_id) FROM post_search_documents"
    " WHERE search_grams(words) @> q.grams"
    " AND NOT EXISTS (SELECT FROM unnest(q.checked) word WHERE strpos(words, word) = 0)"
    " AND NOT EXISTS (SELECT FROM unnest(q.excluded) word WHERE strpos(words, word) > 0))"
    " FROM jsonb_to_recordset(CAST(:queries AS jsonb))"
    " AS q(place int, grams text[], checked text[], excluded text[])"
)


def _asked(place: int, query: Query) -> dict[str, object]:
    checked = [word for word in query.words if not is_exact(word)]
    return {"place": place, "grams": grams_of(query.words), "checked": checked, "excluded": query.excluded}


@pytest.fixture(scope="module")
def texts(filled: Session) -> Texts:
    """Return what a reader of each post sees: entities decoded, runs of white space as one space."""
    return {
        post_id: f"{seen(title)}\n{seen(html.unescape(text_))}"
        for post_id, title, text_ in filled.execute(select(Post.id, Post.title, Post.text))
    }


def seen(words: str) -> str:
    """Words without case, white space runs as one space."""
    small = "".join({"İ": "i", "Σ": "σ"}.get(character) or character.lower() for character in words)
    return re.sub(r"\s+", " ", small).strip()


@pytest.fixture(scope="module")
def queries(texts: Texts) -> list[Query]:
    """Pieces of the texts from 1 to 12 characters, as they are and mixed up, alone, together and excluded."""
    chance = random.Random(5)
    pool = [line for words in texts.values() for line in words.split("\n") if line]
    return [
        Query(
            tuple(_piece(chance, pool) for _ in range(chance.choice((1, 1, 1, 1, 2, 3)))),
            tuple(_piece(chance, pool) for _ in range(chance.choice((0, 0, 0, 1)))),
        )
        for _ in range(QUERIES)
    ]


def _piece(chance: random.Random, pool: Sequence[str]) -> str:
    line = chance.choice(pool)
    start = chance.randrange(len(line))
    piece = line[start : start + chance.choice((1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 12))]
    return "".join(chance.sample(piece, len(piece))) if chance.random() < 0.2 else piece


def expected(texts: Texts, query: Query) -> set[int]:
    """Return the posts that have all of the words and none of the excluded."""
    left = texts.items()
    for word in query.words:
        left = [(post_id, words) for post_id, words in left if word in words]  # type: ignore[assignment]
    return {post_id for post_id, words in left if not any(word in words for word in query.excluded)}


def found_by_index(session: Session, query: Query) -> set[int]:
    """Return what the search's own statement finds by the index."""
    found = func.array_agg(matching(select(PostSearchDocument), query).subquery().c.post_id)
    return set(session.scalar(select(found)) or ())


@pytest.mark.slow
def test_the_index_finds_what_looking_through_every_post_finds_for_ten_thousand_queries(
    filled: Session, texts: Texts, queries: list[Query]
) -> None:
    found_for = dict(
        iter(filled.execute(_MATCHING, {"queries": json.dumps(list(map(_asked, range(QUERIES), queries)))}))
    )
    sizes = []
    for place, query in enumerate(queries):
        found = set(found_for[place] or ())
        assert found == expected(texts, query), query
        sizes.append(len(found))
    assert sizes.count(0) > QUERIES / 20
    assert sum(size > len(texts) / 10 for size in sizes) > QUERIES / 20


@pytest.mark.slow
def test_the_statement_of_a_search_finds_the_same(
    filled: Session, texts: Texts, queries: list[Query]
) -> None:
    for query in queries[:STATED]:
        assert found_by_index(filled, query) == expected(texts, query), query


@pytest.mark.slow
def test_the_pages_of_a_search_are_what_there_is_each_post_once_by_date_and_by_relevance(
    filled: Session, texts: Texts, queries: list[Query]
) -> None:
    for query in queries[:SEARCHED]:
        for order in ("date", "relevance"):
            found = all_pages(filled, query, order)
            assert len(found) == len(set(found))
            assert set(found) == expected(texts, query), query
        assert all_pages(filled, query, "date") == sorted(expected(texts, query), reverse=True)


def all_pages(session: Session, query: Query, order: str) -> list[int]:
    """Return the posts found, page by page."""
    page = search(session, query, order=order, limit=100)  # type: ignore[arg-type]
    found = [hit.post_id for hit in page.hits]
    while page.next:
        page = search(session, query, order=order, limit=100, after=page.next)  # type: ignore[arg-type]
        found += [hit.post_id for hit in page.hits]
    return found


@pytest.mark.slow
def test_ilike_finds_the_same(filled: Session, queries: list[Query]) -> None:
    for query in queries[:100]:
        patterns = [re.sub(r"([\\%_])", r"\\\1", word) for word in query.words]
        columns = [PostSearchDocument.words.ilike(f"%{pattern}%") for pattern in patterns]
        rows = select(PostSearchDocument.post_id).where(*columns)
        alone = Query(query.words)
        assert set(filled.scalars(rows)) == found_by_index(filled, alone)


def test_words_as_they_stand_in_a_text_are_found_when_they_are_given_in_quotes(
    filled: Session, texts: Texts
) -> None:
    for post_id, words in list(texts.items())[::20]:
        title = words.split("\n")[0]
        if title and '"' not in title:
            assert post_id in all_pages(filled, parse(f'"{title}"'), "date")


def test_the_index_is_asked_and_not_every_post(filled: Session) -> None:
    for words in ("甲乙", "甲", "工业互联网", "工业 -互联网"):
        rows = matching(select(PostSearchDocument), parse(words), 20)
        plan = filled.execute(
            text("EXPLAIN " + str(rows.compile(filled.connection(), compile_kwargs={"literal_binds": True})))
        )
        assert "Bitmap Index Scan on ix__post_search_documents__grams" in "\n".join(plan.scalars())


def test_nothing_is_wrong_with_what_was_indexed(filled: Session) -> None:
    assert check_search_index(filled) == []


def test_as_many_words_as_are_allowed_find_what_they_should(filled: Session, texts: Texts) -> None:
    query = parse(
        " ".join(
            next(words for words in texts.values() if len(words) > 80)[-MAX_QUERY_WORDS:].replace(" ", "")
        )
    )
    assert set(all_pages(filled, query, "date")) == expected(texts, query) != set()

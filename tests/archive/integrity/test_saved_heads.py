"""Test that heads are read from every form in which they leave the house, and compared with the archive."""

import json

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.ingest.pages import import_records
from archive.integrity.saved_heads import NoHeads, SavedHeads, compare_with_heads, parse_heads
from archive.repository.hash_chain import ChainHead, chain_heads
from archive.repository.heads import heads_file, last_head, record_head
from tests.archive.making import BIZ, NOW, record
from web.feed_formats import FeedDocument, write_atom, write_json_feed

CHAIN = ChainHead(BIZ, 3, "ab" * 32)
DIGEST = "cd" * 32


def codes(session: Session, saved: SavedHeads) -> list[str]:
    return [finding.message.code for finding in compare_with_heads(session, saved)]


@pytest.mark.parametrize(
    "content",
    [
        heads_file([CHAIN]),
        json.dumps([CHAIN._asdict()]).encode(),
        json.dumps({"sound": True, "heads": [CHAIN._asdict()]}).encode(),
    ],
)
def test_heads_of_chains_are_read_from_files_and_reports(content: bytes) -> None:
    assert parse_heads(content) == SavedHeads((CHAIN,))


def test_the_head_of_the_archive_is_read_from_an_answer_of_the_api() -> None:
    answer = {"taken_at": NOW.isoformat(), "digest": DIGEST, "heads": [CHAIN._asdict()]}
    assert parse_heads(json.dumps(answer).encode()) == SavedHeads((CHAIN,), DIGEST)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"[1]", b"null", b"7", b'"x"', b"\xff", b"<feed/>", b"<feed", b"<!DOCTYPE x []><feed/>",
        b'{"heads": [], "digest": "ab"}', b'{"heads": [], "digest": 7}', b'{"_mparchive": 1}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_anything_else_holds_no_heads(content: bytes) -> None:
    with pytest.raises(NoHeads):
        parse_heads(content)


def test_an_archive_passes_through_the_head_of_its_feeds_until_it_is_rewritten(db_session: Session) -> None:
    import_records(db_session, None, [record(1), record(2)], "dump", NOW)
    record_head(db_session, NOW)
    feed = FeedDocument("t", "http://h/f", "http://h/", None, NOW, (), head=last_head(db_session))
    saved = [parse_heads(b"".join(write(feed))) for write in (write_atom, write_json_feed)]
    assert saved[0] == saved[1]
    assert [chain.biz for chain in saved[0].chains] == [BIZ]
    import_records(db_session, None, [record(3)], "dump", NOW)
    record_head(db_session, NOW)
    assert codes(db_session, saved[0]) == []
    db_session.execute(text("UPDATE chain_entries SET digest = sha256(digest)"))
    assert codes(db_session, saved[0]) == [
        "archive.integrity.chain_avoids_head",
        "archive.integrity.head_differs",
    ]
    assert codes(db_session, SavedHeads((), DIGEST)) == ["archive.integrity.head_unknown"]


def test_an_archive_that_has_grown_passes_through_its_head_and_one_that_was_rewritten_does_not(
    db_session: Session,
) -> None:
    import_records(db_session, None, [record(1), record(2)], "dump", NOW)
    (head,) = chain_heads(db_session)

    def code(saved: ChainHead) -> str:
        return compare_with_heads(db_session, SavedHeads((saved,)))[0].message.code

    import_records(db_session, None, [record(3)], "dump", NOW)
    assert codes(db_session, SavedHeads((head, head._replace(length=0)))) == []
    assert code(head._replace(length=99)) == "archive.integrity.chain_shorter_than_head"
    assert code(head._replace(biz="other")) == "archive.integrity.chain_shorter_than_head"
    db_session.execute(text("UPDATE chain_entries SET digest = sha256(digest)"))
    assert code(head) == "archive.integrity.chain_avoids_head"

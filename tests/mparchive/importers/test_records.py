"""Records of dumps are stored several batches at a time, with the result of storing one after the other."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import canonical_url, parse_address
from archive.domain.records import Record
from archive.domain.update_decisions import StoreResult
from archive.integrity.verifier import verify_archive
from archive.repository.runs import start_run
from mparchive.commands.verify import check_context
from mparchive.importers.dump import DumpEntry
from mparchive.importers.records import AT_ONCE, RecordStore, StoredRecords
from tests.archive.making import NOW

ONE, OTHER = "MzA0NjAyNTQ5NQ==", "MzA0NjAyNTQ5Ng=="

# What an import writes, without ids, times and what names the account.
TABLES = {
    "accounts": "SELECT a.name FROM accounts a WHERE a.biz = :biz",
    "addresses": "SELECT x.mid, x.idx, x.aid, x.attempts, x.last_outcome, x.last_reason, x.expected_biz,"
    " x.next_fetch_at IS NULL, x.claimed_by_run_id IS NULL, x.short_token, x.other_key"
    " FROM addresses x WHERE x.biz = :biz",
    "sightings": "SELECT x.mid, s.source, s.title, s.listing, s.run_id IS NULL"
    " FROM sightings s JOIN addresses x ON x.id = s.address_id WHERE x.biz = :biz",
    "posts": "SELECT p.aid, p.mid, p.idx, p.title, p.published_on, p.account_name, p.kind, p.page_metadata,"
    " p.content_hash, p.source, p.html, v.number FROM posts p JOIN accounts a ON a.id = p.account_id"
    " LEFT JOIN versions v ON v.id = p.current_version_id WHERE a.biz = :biz",
    "versions": "SELECT p.aid, v.number, v.title, v.text, v.content_hash, v.source, v.capture_id,"
    " v.parser_version FROM versions v JOIN posts p ON p.id = v.post_id"
    " JOIN accounts a ON a.id = p.account_id WHERE a.biz = :biz",
    "search": "SELECT p.aid, d.published_on, d.kind, d.words, search_grams(d.words)"
    " FROM post_search_documents d JOIN posts p ON p.id = d.post_id"
    " JOIN accounts a ON a.id = d.account_id WHERE a.biz = :biz",
    "chain": "SELECT e.fact_kind, count(*), count(e.version_id) FROM chain_entries e"
    " JOIN chains c ON c.id = e.chain_id WHERE c.biz = :biz GROUP BY e.fact_kind",
}


def entry(number: int, biz: str = ONE, **changed: str) -> DumpEntry:
    url = canonical_url(biz, str(1000 + number), "1", "5a", "be48")
    record = Record(
        f"{1000 + number}_1", f"合成标题{number}", url, "2026-03-01", "示例", f"第{number}段\r" * 3
    )
    return DumpEntry(number, replace(record, **changed), parse_address(url), "dump.json")


def stored(
    engine: Engine, batches: Iterable[Sequence[DumpEntry]], at_once: bool = True
) -> list[StoredRecords]:
    """Store batches, several at a time or one after the other; return what was reported of each."""
    reported: list[StoredRecords] = []
    with transaction(engine) as session:
        run_id = start_run(session, "backfill", {}, NOW)
    with RecordStore(engine, run_id, reported.append) as store:
        for batch in batches:
            store.store(batch)
            if not at_once:
                store.finish()
    return reported


def rows(engine: Engine, biz: str) -> dict[str, list[tuple[Any, ...]]]:
    with transaction(engine) as session:
        return {
            table: sorted(map(tuple, session.execute(text(sql), {"biz": biz})), key=repr)
            for table, sql in TABLES.items()
        }


def test_batches_at_once_leave_the_rows_that_one_record_after_the_other_leaves(
    engine: Engine, tmp_path: Path
) -> None:
    odd = {3: {"text": ""}, 5: {"title": "&amp;\0\ud800İΣ"}, 7: {"account": "改名"}, 11: {"text": "a\n\tΣ "}}

    def entries(biz: str) -> list[DumpEntry]:
        return [entry(number, biz, **odd.get(number, {})) for number in range(40)]

    singly = stored(engine, ([one] for one in entries(ONE)), at_once=False)
    together = stored(engine, (entries(OTHER)[start : start + 8] for start in range(0, 40, 8)))
    assert [one.results for one in singly] == [[StoreResult.NEW]] * 40
    assert [one.results for one in together] == [[StoreResult.NEW] * 8] * 5
    found, expected = rows(engine, OTHER), rows(engine, ONE)
    assert {name: len(found[name]) for name in ("posts", "versions", "search")} == dict.fromkeys(
        ("posts", "versions", "search"), 40
    )
    for table in TABLES.keys() - {"chain"}:  # the account has a fact for each of its names that was committed
        assert found[table] == expected[table], table
    assert [one for one in found["chain"] if one[0] != "account"] == [
        one for one in expected["chain"] if one[0] != "account"
    ]
    assert verify_archive(engine, check_context(ArchiveSettings(home=tmp_path))).findings == []


@pytest.mark.parametrize("changed", [{"text": "另一段"}, {"account": "改名"}])
def test_batches_about_the_same_post_or_name_are_stored_in_their_order(
    engine: Engine, changed: dict[str, str]
) -> None:
    first, second = [entry(number) for number in range(60)], [entry(59, **changed), entry(99, **changed)]
    results = [one.results for one in stored(engine, [first, second])]
    assert results[0] == [StoreResult.NEW] * 60
    assert results[1][1] is StoreResult.NEW
    found = rows(engine, ONE)
    assert found["accounts"] == [(changed.get("account", "示例"),)]
    assert len(found["versions"]) == 61 + ("text" in changed)


def test_a_record_that_cannot_be_stored_is_named_and_the_others_of_its_batch_are_stored(
    engine: Engine,
) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE versions ADD CHECK (text <> 'refused')"))
    batches = [
        [entry(1), entry(2, text="refused"), entry(3)],
        [entry(number) for number in range(10, 14)],
    ]
    one, other = stored(engine, batches)
    assert one.results == [StoreResult.NEW] * 2
    assert len(one.addresses) == 2
    assert [(flaw.source, str(flaw.where)) for flaw in one.flaws] == [("dump.json", "record 2 (1002_1)")]
    assert other.results == [StoreResult.NEW] * 4
    assert [post[0] for post in rows(engine, ONE)["posts"]] == [
        "1001_1", "1003_1", "1010_1", "1011_1", "1012_1", "1013_1",
    ]  # fmt: skip


def test_an_outage_is_raised_and_nothing_more_is_begun(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE versions RENAME TO moved"))
    begun = []

    def batches() -> Iterable[Sequence[DumpEntry]]:
        for number in range(20):
            begun.append(number)
            yield [entry(number)]

    with pytest.raises(Exception, match="versions"):
        stored(engine, batches())
    assert len(begun) <= AT_ONCE + 1

"""Records are found behind damaged ones, and their responses are read only where they are intact."""

import hashlib
import io
import tracemalloc
from base64 import b32encode
from datetime import UTC, datetime

import pytest
from warcio.statusandheaders import StatusAndHeaders

from archive.domain.messages import Message
from mparchive.importers import warc_records
from mparchive.importers.items import Flaw, SavedPage
from mparchive.importers.warc_records import (
    MAX_HEAD,
    MAX_RESPONSES,
    BadRecord,
    RecentItems,
    Record,
    RecordedResponse,
    RecordedResponses,
    RereadBudget,
    digest_matches,
    fetched_page,
    read_records,
    split_http,
    verified_block,
)
from tests.mparchive.importers.test_hostile import POST, revisits, warc, written

OK = b"HTTP/1.1 200 OK\r\n\r\n<html></html>"
Found = Record | tuple[Message, Message]


def records(content: bytes) -> list[Found]:
    return list(read_records(io.BytesIO(content)))


def record(content: bytes) -> Record:
    (one,) = records(content)
    assert isinstance(one, Record)
    return one


def codes(found: list[Found]) -> list[str]:
    """Return the offset of each record, or the code of what is wrong with it."""
    return [str(one.start) if isinstance(one, Record) else one[1].code for one in found]


def sha1(content: bytes) -> str:
    return "sha1:" + b32encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


def page(block: bytes, **named: str) -> bytes:
    """Return the body of the response in a record with this block."""
    content = written(block, **named)
    one = record(content)
    return fetched_page(one, POST, RecordedResponses(io.BytesIO(content)).of(one)).body


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"WARC/1.0\r\nWARC-Type: response\r\n\r\n", "mparchive.warc.no_length"),
        (b"WARC/1.0\r\nContent-Length: -1\r\n\r\n", "mparchive.warc.no_length"),
        (b"WARC/1.0\r\nX: \0\r\nContent-Length: 0\r\n\r\n", "mparchive.warc.nul"),
        (b"WARC/1.0\r\nX: " + b"y" * MAX_HEAD + b"\r\n\r\n", "mparchive.warc.endless_headers"),
        (b"WARC/1.0\r\nContent-Length: 999999\r\n\r\n", "mparchive.warc.cut_off"),
    ],
)
def test_a_bad_record_is_named_and_those_around_it_are_found(head: bytes, code: str) -> None:
    good = written(OK)
    found = records(good + head + b"\r\n\r\n" + good)
    assert codes(found) == ["0", code, str(len(good) + len(head) + 4)]
    bad = found[1]
    assert not isinstance(bad, Record)
    assert str(bad[0]) == f"record 2 at byte {len(good)}"


def test_a_record_says_what_it_is_of_and_when_it_was_fetched() -> None:
    one = record(written(OK, WARC_Target_URI=f"<{POST}>"))
    assert (one.target, one.size, one.number) == (POST, len(OK), 1)
    assert one.date == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    with pytest.raises(BadRecord, match="does not say when"):
        _ = record(written(OK, WARC_Date="yesterday")).date


def test_a_block_that_is_too_large_or_was_cut_by_its_writer_is_not_read() -> None:
    content = written(OK)
    assert record(content).block(io.BytesIO(content)) == OK
    with pytest.raises(BadRecord, match=f"it has {len(OK)} bytes; at most 5 are accepted"):
        record(content).block(io.BytesIO(content), 5)
    with pytest.raises(BadRecord, match="WARC-Truncated"):
        record(written(OK, WARC_Truncated="length")).block(io.BytesIO(content))


def test_a_length_that_ends_in_the_middle_is_trusted_only_with_a_digest() -> None:
    for digest, is_read in ((sha1(OK[:-1]), True), (sha1(OK), False), ("", False)):
        content = written(OK, len(OK) - 1, WARC_Block_Digest=digest)
        one = record(content)
        assert one.is_length_doubtful
        if is_read:
            assert RecordedResponses(io.BytesIO(content)).of(one).payload == b"<html></html"
        else:
            with pytest.raises(BadRecord, match="its length is wrong"):
                RecordedResponses(io.BytesIO(content)).of(one)


def test_a_record_whose_length_reaches_into_the_next_one_hides_nothing() -> None:
    first, second = written(OK, len(OK) + 30), written(OK)
    assert codes(records(first + second)) == ["0", str(len(first))]


def test_a_digest_is_compared_in_each_form_and_an_unknown_one_decides_nothing() -> None:
    content = b"synthetic"
    sha256 = hashlib.sha256(content)
    for digest in (sha1(content), sha1(content).lower(), f"SHA-256:{sha256.hexdigest()}",
                   "sha256:" + b32encode(sha256.digest()).decode().rstrip("=")):  # fmt: skip
        assert digest_matches(content, digest) is True
        assert digest_matches(b"other", digest) is False
    for unknown in ("", "sha1:", "none:0", "sha1:short", "crc32:00000000"):
        assert digest_matches(content, unknown) is None


def test_bytes_that_do_not_match_their_digest_are_refused() -> None:
    for name in ("WARC_Block_Digest", "WARC_Payload_Digest"):
        with pytest.raises(BadRecord, match="do not match its digest"):
            page(OK, **{name: sha1(b"other")})
    assert page(OK, WARC_Payload_Digest=sha1(b"<html></html>")) == b"<html></html>"
    one = record(written(OK, WARC_Block_Digest=sha1(OK)))
    assert verified_block(one, OK) == OK
    with pytest.raises(BadRecord, match="do not match its digest"):
        verified_block(one, OK + b"x")


@pytest.mark.parametrize(
    ("head", "payload", "body"),
    [
        ("Transfer-Encoding: chunked", b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde"),
        ("Transfer-Encoding: chunked", b"joined already", b"joined already"),
        ("Content-Length: 3", b"abc", b"abc"),
        ("Content-Encoding: br", b"<html>decoded already", b"<html>decoded already"),
    ],
)
def test_the_body_of_a_response_is_as_the_server_sent_it(head: str, payload: bytes, body: bytes) -> None:
    assert page(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + payload) == body


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "has 3 of its 9 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", "ends in the middle of a chunk"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n\x0b\x02", "encoding 'br' is not supported"),
        (b"HTTP/1.1 abc\r\n\r\n", "has no status"),
        (b"no headers", "has no headers"),
    ],
)
def test_a_response_that_is_not_whole_is_refused(block: bytes, words: str) -> None:
    with pytest.raises(BadRecord, match=words):
        page(block)


def test_the_secrets_of_a_reader_are_left_out_of_the_headers() -> None:
    http, payload = split_http(b"HTTP/1.1 200 OK\r\nSet-Cookie: s=1\r\nX: y\r\n\r\nabc")
    assert payload == b"abc"
    fetched = fetched_page(record(written(OK)), POST, RecordedResponse(http, payload))
    assert fetched.headers == (("X", "y"),)
    assert fetched.ended_openly


def test_bytes_that_are_read_again_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc_records, "MAX_REREAD", 10)
    budget = RereadBudget(5)
    budget.take(15)
    with pytest.raises(BadRecord, match="over 15 bytes of this file would be read more than once"):
        budget.take(1)
    monkeypatch.setattr(warc_records, "MAX_REREAD", 10_000)
    first, *again, last = warc(revisits(20) + written(WARC_Target_URI=f"{POST}x"))
    assert isinstance(first, Flaw)  # no record follows at its end
    assert isinstance(last, SavedPage)
    assert any("would be read more than once" in str(one) for one in again)


def test_only_the_most_recent_items_are_remembered() -> None:
    recent = RecentItems[int](2)
    for number, name in enumerate(("", "a", "b", "c")):
        recent.put(name, number)
    assert [recent.get(name) for name in ("", "a", "b", "c")] == [None, None, 2, 3]


def test_little_of_a_response_is_remembered_whatever_its_headers_say() -> None:
    def remembered(size: int) -> int:
        content = written(
            WARC_Record_ID=f"<{'a' * size}>", WARC_Block_Digest="sha1:" + "b" * size, X="c" * size
        )
        responses = RecordedResponses(io.BytesIO())
        tracemalloc.start()
        for number in range(100):
            responses.remember(record(content.replace(b"<a", b"<%d" % number)))
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return used

    assert remembered(15_000) < 100 * 1500 + 100_000
    assert MAX_RESPONSES * 1500 < 200_000_000


def test_a_status_is_a_number_of_three_digits() -> None:
    for code, status in (("404", 404), ("99", None), ("999", None)):
        response = RecordedResponse(StatusAndHeaders(f"{code} X", [], "HTTP/1.1"), b"")
        if status:
            assert response.status == status
        else:
            with pytest.raises(BadRecord, match="has no status"):
                _ = response.status

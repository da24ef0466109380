"""Reading WARC files: written by warcio as its users write them, and damaged in every way that happens."""

import gzip
import hashlib
import io
import json
import re
import tracemalloc
from base64 import b32encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from mparchive.importers.items import Flaw, InputError, SavedPage, Skipped
from mparchive.importers.open import Form, open_source
from mparchive.importers.warc import read_warc

# warcio leaves its writer's temporary files to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:.*(tempfile|Temporary).*")
LONG = "https://mp.weixin.qq.com/s?__biz=Mzk5OTAwMDAwMg==&mid={}&idx=1&sn=ab&chksm=cd"
PAGE = b"<!DOCTYPE html><html><body>%d</body></html>"
DATE = "2024-05-06T07:08:09Z"
Headers = list[tuple[str, str]]
Item = SavedPage | Flaw | Skipped


class Writer:
    """Writes records into memory."""

    def __init__(self, packed: bool = False) -> None:
        self.file = io.BytesIO()
        self._writer = WARCWriter(self.file, gzip=packed)
        self.starts: list[int] = []

    def add(
        self,
        body: bytes,
        url: str = LONG.format(1),
        *,
        kind: str = "response",
        status: str = "200 OK",
        headers: Headers | None = None,
        digest: bool = True,
        **named: str,
    ) -> "Writer":
        self.starts.append(self.file.tell())
        given = dict(headers or [])
        shown = list(({"Content-Type": "text/html"} | given).items())
        http = StatusAndHeaders(status, shown, protocol="HTTP/1.1")
        own = {"WARC-Date": DATE, **{name.replace("_", "-"): value for name, value in named.items()}}
        record = self._writer.create_warc_record(
            url, kind, io.BytesIO(body), http_headers=http, warc_headers_dict=own
        )
        if not digest:
            record.rec_headers.remove_header("WARC-Payload-Digest")
            record.rec_headers.add_header("WARC-Block-Digest", "none:0")
        self._writer.write_record(record)
        return self

    def pages(self, count: int) -> "Writer":
        for number in range(1, count + 1):
            self.add(PAGE % number, LONG.format(number))
        return self

    @property
    def content(self) -> bytes:
        return self.file.getvalue()


def read(folder: Path, content: bytes) -> list[Item]:
    path = folder / "week.warc.gz"
    path.write_bytes(content)
    with open_source(str(path)) as source:
        assert source.form is Form.WARC
        return list(read_warc(source.stream, "week.warc"))


def bodies(items: list[Item]) -> list[bytes]:
    return [item.body for item in items if isinstance(item, SavedPage)]


def flaws(items: list[Item]) -> list[str]:
    return [str(item) for item in items if isinstance(item, Flaw)]


@pytest.mark.parametrize("packed", [False, True])
def test_answers_of_posts_become_pages_with_their_own_date(tmp_path: Path, packed: bool) -> None:
    (page,) = read(tmp_path, Writer(packed).add(PAGE % 1, headers=[("Set-Cookie", "hush")]).content)
    assert isinstance(page, SavedPage)
    assert (page.body, page.url, page.name) == (PAGE % 1, LONG.format(1), "week.warc #1")
    assert page.saved_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert page.headers == (("Content-Type", "text/html"),)


def test_a_file_packed_as_a_whole_is_read_too(tmp_path: Path) -> None:
    assert len(bodies(read(tmp_path, gzip.compress(Writer().pages(3).content)))) == 3


def test_the_readers_session_is_left_out_of_the_address(tmp_path: Path) -> None:
    (page,) = read(tmp_path, Writer().add(PAGE % 1, LONG.format(1) + "&pass_ticket=hush&uin=hush").content)
    assert isinstance(page, SavedPage)
    assert page.url == LONG.format(1)


def test_everything_else_is_counted(tmp_path: Path) -> None:
    writer = Writer().add(PAGE % 1).add(b"GET", kind="resource")
    for url in ("https://mmbiz.qpic.cn/a.png", "https://res.wx.qq.com/b.js"):
        writer.add(b"x", url)
    writer.add(b"x", "https://mp.weixin.qq.com/mp/appmsgalbum?album_id=1")
    writer.add(b"", LONG.format(2), status="302 Found")
    page, *passed = read(tmp_path, writer.content)
    assert isinstance(page, SavedPage)
    assert {str(item) for item in passed} == {
        "week.warc: 1 record that is no response",
        "week.warc: 2 responses of other hosts",
        "week.warc: 1 response of mp.weixin.qq.com that is no post",
        "week.warc: 1 response without a page (redirect, error)",
    }


CHUNKS = b"%x\r\n" % len(PAGE) + PAGE + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(PAGE, mtime=0), [("Content-Encoding", "gzip")]),
        (PAGE, [("Content-Encoding", "br")]),  # undone by the writer
        (CHUNKS, [("Transfer-Encoding", "chunked")]),
        (PAGE, [("Transfer-Encoding", "chunked")]),  # joined by the writer
        (PAGE, [("Content-Length", str(len(PAGE)))]),
        (PAGE, [("Content-Length", "3"), ("Content-Encoding", "gzip")]),  # of the packed body
    ],
)
def test_a_body_is_taken_out_of_its_wrappings(tmp_path: Path, body: bytes, headers: Headers) -> None:
    assert bodies(read(tmp_path, Writer().add(body, headers=headers).content)) == [PAGE]


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (gzip.compress(PAGE, mtime=0)[:-9], [("Content-Encoding", "gzip")], "gzip ends in the middle"),
        (b"\x1b\x2a", [("Content-Encoding", "br")], "content encoding 'br'"),
        (CHUNKS[:-20], [("Transfer-Encoding", "chunked")], "ends in the middle of a chunk"),
        (PAGE[:-5], [("Content-Length", str(len(PAGE)))], f"has {len(PAGE) - 5} of its {len(PAGE)} bytes"),
        (PAGE[:-9], [], "the connection ended before the end of the page"),
        (b"x" * (16 * 1024 * 1024 + 65536), [], "at most 16842752 are accepted"),
        (
            gzip.compress(b"x" * 20_000_000, mtime=0),
            [("Content-Encoding", "gzip")],
            "more than 16777216 bytes",
        ),
    ],
)
def test_half_a_page_is_none(tmp_path: Path, body: bytes, headers: Headers, words: str) -> None:
    items = read(tmp_path, Writer().add(body, headers=headers).add(PAGE % 2, LONG.format(2)).content)
    assert bodies(items) == [PAGE % 2]
    assert [flaw.partition(" at byte ")[0] for flaw in flaws(items)] == ["week.warc, record 1"]
    assert words in flaws(items)[0]


def test_what_its_writer_marked_as_cut_or_undated_is_not_taken(tmp_path: Path) -> None:
    writer = Writer().add(PAGE % 1, WARC_Truncated="length").add(PAGE % 2, WARC_Date="yesterday")
    first, second = flaws(read(tmp_path, writer.content))
    assert "WARC-Truncated" in first
    assert "WARC-Date" in second


@pytest.mark.parametrize("change", [-30, -1, 1, 30, 900, 10_000_000])
def test_a_wrong_length_costs_its_record_and_no_other(tmp_path: Path, change: int) -> None:
    writer = Writer().pages(4)
    second, third = writer.content[writer.starts[1] : writer.starts[2]], writer.starts[2]
    length = int(second.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    wrong = second.replace(b"Content-Length: %d" % length, b"Content-Length: %d" % (length + change))
    items = read(tmp_path, writer.content[: writer.starts[1]] + wrong + writer.content[third:])
    assert bodies(items) == [PAGE % 1, PAGE % 3, PAGE % 4]
    assert [flaw.partition(" at byte ")[0] for flaw in flaws(items)] == ["week.warc, record 2"]
    assert re.search("length is wrong|the file ends after|do not match its digest", flaws(items)[0])


@pytest.mark.parametrize(
    "head",
    [
        b"WARC/1.0\r\nWARC-Type: response\r\nnonsense\r\n\r\nx\r\n\r\n",
        b"WARC/1.0\r\nContent-Length: -1\r\n\r\n\r\n\r\n",
        b"WARC/1.0\r\nContent-Length: 1e9\r\n\r\n\r\n\r\n",
        b"WARC/1.0\r\nX: " + b"y" * 70_000 + b"\r\n\r\n\r\n\r\n",
        b"WARC/1.0\r\n\xff\xfe\r\n\r\n\r\n\r\n",
        b"WARC/1.0\r\nWARC-Target-URI: https://a/\0\r\nContent-Length: 0\r\n\r\n\r\n\r\n",
    ],
)
def test_broken_headers_cost_their_record_and_no_other(tmp_path: Path, head: bytes) -> None:
    writer = Writer().pages(2)
    at = writer.starts[1]
    items = read(tmp_path, writer.content[:at] + head + writer.content[at:])
    assert bodies(items) == [PAGE % 1, PAGE % 2]
    assert [flaw.partition(" at byte ")[0] for flaw in flaws(items)] == ["week.warc, record 2"]


def test_records_without_what_they_should_have_are_told(tmp_path: Path) -> None:
    warc = (
        b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: %s\r\nWARC-Date: 2024-05-06T07:08:09Z\r\n"
        b"Content-Length: %d\r\n\r\n%s\r\n\r\n"
    )
    blocks = (
        b"",
        b"no headers",
        b"HTTP/1.1 abc\r\n\r\n<html></html>",
        b"HTTP/1.1 200 OK\r\n\r\n<html></html>",
    )
    content = b"".join(warc % (LONG.format(1).encode(), len(block), block) for block in blocks)
    items = read(tmp_path, content + b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 0\r\n\r\n\r\n\r\n")
    assert bodies(items) == [b"<html></html>"]
    assert [re.sub(" at byte [0-9]+", "", flaw.partition(", ")[2]) for flaw in flaws(items)] == [
        "record 1: the response in it has no headers",
        "record 2: the response in it has no headers",
        "record 3: the response in it has no status",
    ]


@pytest.mark.parametrize(
    "hurt", [lambda whole: whole[:-200], lambda whole: whole[:-1], lambda whole: whole[:-12]]
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_at_its_end_keeps_what_is_whole(
    tmp_path: Path, packed: bool, hurt: Callable[[bytes], bytes]
) -> None:
    items = read(tmp_path, hurt(Writer(packed).pages(3).content))
    assert bodies(items)[:2] == [PAGE % 1, PAGE % 2]
    assert all(body == PAGE % 3 for body in bodies(items)[2:])


@pytest.mark.slow
@pytest.mark.parametrize("digest", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_no_damage_ever_makes_another_page(tmp_path: Path, packed: bool, digest: bool) -> None:
    writer = Writer(packed)
    for number in range(1, 4):
        writer.add(PAGE % number, LONG.format(number), digest=digest)
    content, start, end = writer.content, writer.starts[1], writer.starts[2]
    for place in range(start, end, 3):
        items = read(tmp_path, content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        assert bodies(items)[-1] == PAGE % 3, place
        if digest:
            assert bodies(items)[0] == PAGE % 1, place
        if digest or packed:  # whose own check sum tells
            assert set(bodies(items)) <= {PAGE % 1, PAGE % 2, PAGE % 3}, place
        if packed:
            assert len(bodies(items)) == 3 or flaws(items), place


@pytest.mark.parametrize("digest", [False, True])
@pytest.mark.parametrize("hurt", [0, 1])
def test_a_packed_record_that_is_damaged_is_named_in_its_place(
    tmp_path: Path, digest: bool, hurt: int
) -> None:
    writer = Writer(packed=True)
    for number in range(1, 4):
        writer.add(PAGE % number, LONG.format(number), digest=digest)
    content, middle = writer.content, (writer.starts[hurt] + writer.starts[hurt + 1]) // 2
    items = read(tmp_path, content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :])
    assert bodies(items) == [PAGE % number for number in (1, 2, 3) if number != hurt + 1]
    (flaw,) = flaws(items)
    assert flaw.startswith(f"week.warc, record {hurt + 1} at byte")
    assert flaw.endswith("it cannot be decompressed: its gzip is damaged")


def test_a_damaged_body_is_known_by_its_digest(tmp_path: Path) -> None:
    content = Writer().add(PAGE % 7).content.replace(b"<body>7", b"<body>8")
    (flaw,) = flaws(read(tmp_path, content))
    assert "its bytes do not match its digest" in flaw


@pytest.mark.slow
def test_a_large_file_is_read_in_little_memory(tmp_path: Path) -> None:
    writer = Writer()
    for number in range(1, 40):
        writer.add(b"x" * 1_000_000, f"https://res.wx.qq.com/{number}", digest=False)
        writer.add(b"<html>" + b"y" * 1_000_000 + b"</html>", LONG.format(number))
    path = tmp_path / "large.warc"
    path.write_bytes(writer.content)
    tracemalloc.start()
    with open_source(str(path)) as source:
        count = sum(isinstance(item, SavedPage) for item in read_warc(source.stream, "large.warc"))
    assert count == 39
    assert tracemalloc.get_traced_memory()[1] < 16_000_000
    tracemalloc.stop()


IDENTICAL = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"


def _revisit(writer: Writer, of: bytes = PAGE % 1, **named: str) -> Writer:
    """Return a record that says the same bytes were served again a year later."""
    digest = "sha1:" + b32encode(hashlib.sha1(of, usedforsecurity=False).digest()).decode()
    headers = {
        "WARC_Profile": IDENTICAL,
        "WARC_Date": "2025-05-06T07:08:09Z",
        "WARC_Refers_To_Target_URI": LONG.format(1),
        "WARC_Refers_To_Date": DATE,
        "WARC_Payload_Digest": digest,
    }
    return writer.add(b"", kind="revisit", **headers | named)


def test_a_revisit_is_the_page_again_at_its_own_time(tmp_path: Path) -> None:
    packed = gzip.compress(PAGE % 1, mtime=0)
    writer = Writer().add(packed, headers=[("Content-Encoding", "gzip")])
    first, second = read(tmp_path, _revisit(writer, packed).content)
    assert isinstance(first, SavedPage)
    assert isinstance(second, SavedPage)
    assert (second.body, second.url, second.saved_at.year) == (first.body, first.url, 2025)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"WARC_Refers_To_Date": "2023-01-01T00:00:00Z"}, "not in this file"),
        ({"WARC_Payload_Digest": "sha1:" + "A" * 32}, "other bytes"),
        ({"WARC_Profile": IDENTICAL.replace("identical-payload-digest", "server-not-modified")}, "same"),
    ],
)
def test_a_revisit_of_what_is_not_known_is_none(tmp_path: Path, change: dict[str, str], words: str) -> None:
    items = read(tmp_path, _revisit(Writer().add(PAGE % 1), **change).add(PAGE % 2, LONG.format(2)).content)
    assert bodies(items) == [PAGE % 1, PAGE % 2]
    assert words in flaws(items)[0]


def _told(**changed: object) -> bytes:
    """Return the metadata that our own export has for the first page."""
    body = PAGE % 1
    told = {
        "requested_url": LONG.format(1),
        "final_url": LONG.format(1) + "&scene=1",
        "status": 503,
        "headers": [["X", "合成"]],
        "sha256": hashlib.sha256(body).hexdigest(),
        "rendered": False,
        "evaluated": None,
        "expected_biz": "",
    }
    return b"outcome: unknown\r\nmparchive-capture: " + json.dumps(told | changed).encode() + b"\r\n"


def _with_told(told: bytes) -> bytes:
    name = "<urn:uuid:00000000-0000-5000-8000-000000000001>"
    writer = Writer().add(told, kind="metadata", WARC_Refers_To=name)
    return writer.add(PAGE % 1, status="503 Busy", WARC_Record_ID=name).content


def test_what_an_archive_like_this_told_of_an_answer_is_taken(tmp_path: Path) -> None:
    (page,) = read(tmp_path, _with_told(_told()))
    assert isinstance(page, SavedPage)
    assert page.answer is not None
    assert (page.answer.status, page.answer.headers) == (503, (("X", "合成"),))
    assert page.answer.final_url.endswith("&scene=1")


def test_what_is_told_must_be_of_these_bytes_and_this_address(tmp_path: Path) -> None:
    for change, words in (
        ({"sha256": "00"}, "the hash"),
        ({"requested_url": LONG.format(9)}, "says that it is of"),
    ):
        (flaw,) = flaws(read(tmp_path, _with_told(_told(**change))))
        assert words in flaw
    for told in (_told(status="x"), b"mparchive-capture: " + b"[" * 100_000):
        assert not bodies(
            read(tmp_path, _with_told(told))
        )  # others' answers under an error status are no pages


def test_a_file_without_a_record_is_said() -> None:
    with pytest.raises(InputError, match="contains no record"):
        list(read_warc(io.BytesIO(b"WARC/1.0 is a format"), "a.warc"))

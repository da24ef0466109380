"""Pages saved as MHTML."""

import quopri
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mparchive.importers.items import Flaw, SavedPage
from mparchive.importers.mhtml import is_mhtml
from mparchive.importers.read import read_inputs

ADDRESS = "https://mp.weixin.qq.com/s?__biz=Mzk5OTAwMDAwMg==&mid=11&idx=1&sn=ab&chksm=cd"

HTML = '<!DOCTYPE html><html><body><div id="js_content"><p>合成的一段。</p></div></body></html>'


def saved(html: str = HTML, head: str = f"Snapshot-Content-Location: {ADDRESS}\r\n", part: str = "") -> bytes:
    lines = [
        "From: <Saved by Blink>\r\n" + head + "Subject: synthetic",
        "Date: Mon, 2 Mar 2026 11:00:00 +0800",
        "MIME-Version: 1.0",
        'Content-Type: multipart/related;\r\n\ttype="text/html";\r\n\tboundary="--b--"',
        "",
        "----b--",
        "Content-Type: image/png",
        "Content-Transfer-Encoding: base64",
        "Content-Location: https://mmbiz.qpic.cn/a/640",
        "",
        "AAAA",
        "----b--",
        "Content-Type: text/html",
        f"Content-Transfer-Encoding: quoted-printable\r\n{part}",
        quopri.encodestring(html.encode()).decode().replace("\n", "\r\n"),
        "----b----",
        "",
    ]
    return "\r\n".join(lines).encode()


def read(tmp_path: Path, content: bytes, url: str | None = None) -> object:
    path = tmp_path / "page.mhtml"
    path.write_bytes(content)
    (item,) = read_inputs([str(path)], url)
    return item


def test_the_page_its_address_and_its_time_are_read(tmp_path: Path) -> None:
    page = read(tmp_path, saved())
    assert isinstance(page, SavedPage)
    assert page.body.decode().rstrip() == HTML
    assert (page.url, page.saved_at) == (ADDRESS, datetime(2026, 3, 2, 3, tzinfo=UTC))


@pytest.mark.parametrize(
    ("head", "part", "given", "url"),
    [
        ("", f"Content-Location: {ADDRESS}\r\n", None, ADDRESS),
        ("", "Content-Location: cid:frame@mhtml.blink\r\n", None, None),
        (f"Snapshot-Content-Location: {ADDRESS}\r\n", "", f"{ADDRESS}&a=1", f"{ADDRESS}&a=1"),
    ],
)
def test_the_address_is_that_of_the_page(
    tmp_path: Path, head: str, part: str, given: str | None, url: str | None
) -> None:
    page = read(tmp_path, saved(head=head, part=part), given)
    assert isinstance(page, SavedPage)
    assert page.url == url


def test_a_message_without_a_page_is_a_flaw(tmp_path: Path) -> None:
    item = read(tmp_path, saved().replace(b"Content-Type: text/html\r\n", b"Content-Type: text/plain\r\n"))
    assert isinstance(item, Flaw)
    assert "contains no page" in str(item)


def test_a_list_is_no_message() -> None:
    assert is_mhtml(saved())
    assert not is_mhtml(b"https://mp.weixin.qq.com/s/x\n\nMIME-Version: 1.0 multipart/related")
    assert not is_mhtml(b"MIME-Version: 1.0\nContent-Type: text/plain\n\nmultipart/related")

"""Made-up records, captures and readings."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from archive.address import canonical_url
from archive.capture import Capture
from archive.reading import Reading
from archive.record import Record
from archive.vocabulary import Kind, Outcome

BIZ = "MzA0NjAyNTQ5NQ=="
NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def record(
    number: int = 1, *, text: str = "第一段\r第二段\r", title: str = "标题", chksm: str = "be48"
) -> Record:
    """Record `number` of the account, published on 2026-03-01."""
    url = canonical_url(BIZ, str(1000 + number), "1", "5a", chksm)
    return Record(f"{1000 + number}_1", title, url, "2026-03-01", "示例账号", text)


def capture(body: bytes = b"<html>", *, minutes: int = 0, **more: object) -> Capture:
    """An answer served `minutes` after NOW."""
    url = "https://mp.weixin.qq.com/s?__biz=x"
    at = NOW + timedelta(minutes=minutes)
    return Capture(url, url, 200, (("Content-Type", "text/html"),), body, at, **more)  # type: ignore[arg-type]


def article(record: Record, **more: object) -> Reading:
    """What the parser says of a page that holds this record."""
    return Reading(Outcome.ARTICLE, kind=Kind.ARTICLE, record=record, biz=BIZ, **more)  # type: ignore[arg-type]


any_record = st.builds(
    Record,
    aid=st.from_regex(r"[0-9]{1,18}_[0-9]{1,3}", fullmatch=True),
    title=st.text(),
    url=st.text(),
    date=st.dates().map(str),
    account=st.text(),
    text=st.text() | st.text(alphabet='\r\n\t"\\,\0\u2028&nbsp;😀'),
)

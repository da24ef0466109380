"""Citations are right in each format whatever the title, and say which state of the post they are of."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from archive.domain.errors import NotArchived
from archive.domain.outcomes import CitationFormat
from archive.ingest.pages import import_records
from archive.reports.citations import Citation, citation_of, format_citations, json_ld, meta_tags
from archive.repository import post_queries
from archive.repository.versions import version_numbers
from tests.archive.making import BIZ, NOW, article, record
from tests.archive.reports.test_changes import fetch

ODD = '价格\n上涨 100%\t{起} "关于" \\x & #1_2 ~$^ </script><!-- @misc, \'\u2028\u202e\x1b[2J'
SHOWN = '价格 上涨 100% {起} "关于" \\x & #1_2 ~$^ </script><!-- @misc, \' [2J'
ORIGIN = "https://archive.example"
CITATION = Citation(
    biz=BIZ,
    aid="1001_1",
    title="标题",
    author="示例账号",
    published_on=date(2026, 3, 1),
    url="http://mp.weixin.qq.com/s?__biz=x&mid=1&idx=1#rd",
    archive_url=f"{ORIGIN}/posts/{BIZ}/1001_1/versions/2",
    version=2,
    seen_at=datetime(2026, 3, 2, 17, 0, 5, tzinfo=UTC),
    capture_id=7,
    sha256="ab" * 32,
)


def cited(session: Session, number: int = 1, version: int | None = None, origin: str = ORIGIN) -> Citation:
    (post,) = post_queries.find_posts(session, f"{1000 + number}_1")
    return citation_of(session, post, BIZ, version=version, origin=origin)


@pytest.fixture
def edited(db_session: Session) -> Session:
    """Store a post whose title was odd, and which was edited a day later; and one of a dump."""
    first = record(1, title=ODD)
    fetch(db_session, first, article(first), 0)
    fetch(db_session, first, article(record(1, title="改后的标题", text="改\r")), 24 * 60)
    import_records(db_session, None, [record(2)], "dump", NOW)
    return db_session


def test_the_current_version_is_cited_with_its_capture(edited: Session) -> None:
    found = cited(edited)
    assert (found.title, found.version, found.author) == ("改后的标题", 2, "示例账号")
    assert found.seen_at == NOW + timedelta(days=1)
    assert found.archive_url == f"{ORIGIN}/posts/{BIZ}/1001_1/versions/2"
    assert found.sha256 is not None
    assert re.fullmatch("[0-9a-f]{64}", found.sha256)


def test_the_latest_page_of_the_current_text_is_cited_in_whatever_order_pages_came(
    db_session: Session,
) -> None:
    said = record(1)
    for number, (text, minutes) in enumerate([("今\r", 0), ("昔\r", -60), ("今\r", -120)], 1):
        fetch(db_session, said, article(record(1, text=text)), minutes)
        assert len(version_numbers(db_session, *post_queries.find_posts(db_session, said.aid))) == number
    found = cited(db_session)
    assert (found.version, found.seen_at) == (1, NOW)


def test_a_version_is_cited_as_it_was(edited: Session) -> None:
    found = cited(edited, version=1)
    assert (found.title, found.seen_at) == (SHOWN, NOW)
    assert found.sha256 != cited(edited).sha256
    with pytest.raises(NotArchived, match="has no version 3; it has 2 versions"):
        cited(edited, version=3)


def test_a_version_of_a_dump_has_no_capture_and_an_archive_may_have_no_address(edited: Session) -> None:
    found = cited(edited, 2, origin="")
    assert (found.sha256, found.capture_id, found.archive_url, found.seen_at) == (None, None, "", NOW)
    shown = format_citations([found], CitationFormat.GBT7714)
    assert shown == (
        "示例账号. 标题[EB/OL]. (2026-03-01)[2026-03-02]. "
        f"{record(2).url}. 存档：第 1 版，录入于 2026-03-02T12:00:00+08:00，未抓取网页.\n"
    )
    assert "archive_location" not in format_citations([found], CitationFormat.CSL_JSON)


def test_gb_t_7714_has_type_dates_and_both_addresses() -> None:
    """The day of access is that of Beijing, where it was already the 3rd."""
    assert format_citations([CITATION], CitationFormat.GBT7714) == (
        "示例账号. 标题[EB/OL]. (2026-03-01)[2026-03-03]. http://mp.weixin.qq.com/s?__biz=x&mid=1&idx=1#rd. "
        f"存档：第 2 版，抓取于 2026-03-03T01:00:05+08:00，SHA-256 {'ab' * 32}. "
        f"https://archive.example/posts/{BIZ}/1001_1/versions/2.\n"
    )


def test_bibtex_escapes_what_tex_would_obey() -> None:
    entry = format_citations([replace(CITATION, title=SHOWN)], CitationFormat.BIBTEX)
    (title,) = re.findall(r"^  title = \{\{(.*)\}\},$", entry, re.MULTILINE)
    assert title == (
        r'价格 上涨 100\% \textbraceleft{}起\textbraceright{} "关于" '
        r"\textbackslash{}x \& \#1\_2 \textasciitilde{}\$\textasciicircum{} </script><!-- @misc, ' [2J"
    )
    assert entry.startswith("@online{MzA0NjAyNTQ5NQ-1001_1-v2,\n")
    assert "  urldate = {2026-03-03},\n" in entry
    assert f"SHA-256 {'ab' * 32}, \\url{{https://archive.example/posts/" in entry


@given(title=st.text(), author=st.text())
def test_any_title_leaves_each_format_whole(title: str, author: str) -> None:
    one = replace(CITATION, title=" ".join(title.split()), author=" ".join(author.split()))
    entry = format_citations([one], CitationFormat.BIBTEX)
    depths = [entry[:place].count("{") - entry[:place].count("}") for place in range(len(entry) + 1)]
    assert min(depths) == depths[-1] == 0
    item = json.loads(format_citations([one], CitationFormat.CSL_JSON))
    assert item[0]["title"] == one.title
    data = json_ld(one)
    assert json.loads(data)["headline"] == one.title
    assert not set("<>&\u2028\u2029") & set(data)


def test_ris_has_one_tag_a_line_whatever_the_title(edited: Session) -> None:
    record_text = format_citations([cited(edited, version=1), cited(edited)], CitationFormat.RIS)
    lines = record_text.split("\r\n")
    assert lines.pop() == ""
    assert all(re.match(r"[A-Z][A-Z0-9]  - ", line) for line in lines)
    assert lines.count("ER  - ") == lines.count("TY  - ELEC") == 2
    assert f"TI  - {SHOWN}" in lines
    assert "DA  - 2026/03/01" in lines
    assert "Y2  - 2026/03/03" in lines


def test_csl_json_is_one_array_of_all() -> None:
    first, second = json.loads(format_citations([CITATION, CITATION], CitationFormat.CSL_JSON))
    assert first == second
    assert first["author"] == [{"literal": "示例账号"}]
    assert first["issued"] == {"date-parts": [[2026, 3, 1]]}
    assert first["accessed"] == {"date-parts": [[2026, 3, 3]]}
    assert (first["type"], first["version"]) == ("webpage", "2")
    assert first["archive_location"] == CITATION.archive_url


def test_an_invisible_title_is_replaced_and_an_address_holds_no_space_or_brace(db_session: Session) -> None:
    odd = replace(
        record(1), title="\u200b \u3164", url=record(1).url.replace("#rd", "&x={a b}\\#rd"), account=""
    )
    import_records(db_session, None, [odd], "dump", NOW)
    found = cited(db_session)
    assert (found.title, found.author) == ("1001_1", BIZ)
    assert found.url.endswith("&x=%7Ba%20b%7D%5C#rd")


def test_the_page_names_title_author_dates_and_addresses() -> None:
    tags = dict(meta_tags(CITATION))
    assert (tags["citation_title"], tags["citation_author"]) == ("标题", "示例账号")
    assert (tags["citation_publication_date"], tags["DC.date"]) == ("2026/03/01", "2026-03-01")
    data = json.loads(json_ld(CITATION))
    assert (data["@type"], data["archivedAt"]) == ("Article", CITATION.archive_url)
    assert data["encoding"]["sha256"] == CITATION.sha256

"""Posts are found by whatever a person has of them, and named where they are several."""

import unicodedata
from datetime import timedelta
from urllib.parse import quote

import pytest
from sqlalchemy.orm import Session

from archive.domain.addresses import canonical_url, parse_address
from archive.domain.captures import CaptureData, SightingData
from archive.domain.errors import NotArchived
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import Record
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.post_queries import PostFilter, records
from archive.search.lookup import MAX_NAMED_POSTS, NameForm, find_hits, post_named, posts_named, with_query
from archive.search.query import SearchError
from tests.archive.making import BIZ, NOW, article, record

OTHER = "MzI5OTk5OTk5OQ=="
LONG = canonical_url(BIZ, "1001", "1", "5a", "be48")
TOKEN = "abcdefghij-klmnopq_stu"
SHORT = f"https://mp.weixin.qq.com/s/{TOKEN}"
TITLE = "关于《示例办法》（第2版）的 通知"


def take(session: Session, *records: Record) -> None:
    """Import records as a dump has them."""
    import_records(session, None, list(records), "dump", NOW)


def named(session: Session, name: str, account: str | None = None) -> list[str]:
    """Return the aids of the posts of a name."""
    return [post.aid for post, _ in posts_named(session, name, account).posts]


@pytest.mark.parametrize(
    "name",
    [
        LONG,
        LONG.replace("http:", "https:").replace("#rd", "&scene=21&from=timeline&key=abc#wechat_redirect"),
        LONG.replace("mp.weixin.qq.com", "MP.Weixin.QQ.com:443"),
        LONG.replace("/s?", "/s/?"),
        LONG.replace("&", "&amp;"),
        LONG.removeprefix("http://"),
        LONG.removeprefix("http://mp.weixin.qq.com"),
        LONG.removeprefix("http://mp.weixin.qq.com/s"),
        LONG.replace("==", "%3D%3D"),
        LONG.replace("==", ""),
        f"标题：（{LONG}）。",
        f"https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?poc_token=x&target_url={quote(LONG, safe='')}",
        f"http://mp.weixin.qq.com/mp/appmsg/show?__biz={BIZ}&appmsgid=1001&itemidx=1",
        "https://mp.weixin.qq.com/s?mid=1001&idx=1&sn=5a",
        f"{BIZ}:1001:1",
        f"http://127.0.0.1:8788/posts/{BIZ}/1001_1/history?lang=zh",
        "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in LONG),
    ],
)
def test_an_address_of_any_form_names_its_post(db_session: Session, name: str) -> None:
    take(db_session, record(1), record(2))
    assert named(db_session, name) == ["1001_1"]
    assert [hit.aid for hit in find_hits(db_session, name).hits] == ["1001_1"]


@pytest.mark.parametrize("name", ["1001_1", " 1001_1\n", "「1001_1」", "１００１＿１", "1001-1", "1001:1"])
def test_an_aid_names_its_post(db_session: Session, name: str) -> None:
    take(db_session, record(1), record(2))
    assert named(db_session, name) == ["1001_1"]


@pytest.mark.parametrize(
    ("name", "aids"),
    [
        ("26506935081", ["2650693508_1"]),  # as pd.read_json makes it
        ("2650693508", ["2650693508_1", "2650693508_2"]),
        ("2650693508_2  2026-03-01  标题", ["2650693508_2"]),
        ("2026-03-01_2650693508_1_标题.md", ["2650693508_1"]),
    ],
)
def test_damaged_and_surrounded_aids_name_their_posts(
    db_session: Session, name: str, aids: list[str]
) -> None:
    made = [
        Record(
            f"2650693508_{n}",
            "标题",
            canonical_url(BIZ, "2650693508", str(n), "5a"),
            "2026-03-01",
            "号",
            "文",
        )
        for n in (1, 2)
    ]
    take(db_session, *made)
    assert named(db_session, name) == aids


@pytest.mark.slow
@pytest.mark.parametrize("name", [SHORT, TOKEN, TOKEN.replace("_", "~"), f"{SHORT}?from=x", f"s/{TOKEN}"])
@pytest.mark.parametrize("is_known", [True, False], ids=["by its address", "by its page"])
def test_a_short_link_names_the_post_that_it_led_to(db_session: Session, name: str, is_known: bool) -> None:
    take(db_session, record(2))
    seen = [SightingData(parse_address(SHORT), "list", NOW)] if is_known else []
    ids = [one.address_id for one in record_sightings(db_session, None, seen, NOW)] if seen else [None]
    served = CaptureData(SHORT, SHORT, 200, (), b"<html>", NOW)
    (kept,) = store_captures(db_session, None, [(ids[0], served)])
    store_parse_results(db_session, None, [(kept, article(record(1)))], NOW, 1)
    assert named(db_session, name) == ["1001_1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        TITLE, "示例办法", f"《{TITLE}》", "关于《示例办法》(第2版)的通知",
        " 关于《示例办法》\n（第2版）的　通知 ",
        "第2版）的通", "第２版",
    ],
)  # fmt: skip
def test_a_title_or_a_unique_part_of_it_names_its_post(db_session: Session, name: str) -> None:
    take(db_session, record(1, title=TITLE), record(2, title="另一篇"))
    assert named(db_session, name) == ["1001_1"]


def test_a_title_that_another_contains_names_its_own_post(db_session: Session) -> None:
    take(db_session, record(1, title="Weekly"), record(2, title="weekly 2"))
    assert named(db_session, "WEEKLY") == ["1001_1"]


def test_the_title_before_an_edit_names_the_post(db_session: Session) -> None:
    take(db_session, record(1, title="原来的标题"))
    import_records(db_session, None, [record(1, title="改过的标题")], "dump", NOW + timedelta(days=1))
    assert named(db_session, "原来的标题") == ["1001_1"]


@pytest.mark.parametrize("title", ["-1", "=1+1", '"', "2026-03", "100%_\\", "1_0", "a" * 22, "x" * 300])
def test_titles_that_look_like_something_else_are_found(db_session: Session, title: str) -> None:
    take(db_session, record(1, title=title), record(2))
    assert named(db_session, title) == ["1001_1"]
    assert [hit.aid for hit in find_hits(db_session, title).hits] == ["1001_1"]


def test_several_candidates_are_listed_with_their_accounts(db_session: Session) -> None:
    shared = record(1)
    take(
        db_session,
        shared,
        Record("1001_1", "别的", canonical_url(OTHER, "1001", "1", "5a"), "2026-03-02", "另", ""),
    )
    with pytest.raises(NotArchived) as error:
        post_named(db_session, "1001_1")
    assert str(error.value).splitlines()[1:] == [
        f"  1001_1  2026-03-02  另 ({OTHER})  别的",
        f"  1001_1  2026-03-01  示例账号 ({BIZ})  标题",
    ]
    assert post_named(db_session, "1001_1", "另").title == "别的"
    assert post_named(db_session, "1001_1", BIZ).title == "标题"
    assert post_named(db_session, LONG).title == "标题"


def test_more_candidates_than_are_listed_are_counted(db_session: Session) -> None:
    take(db_session, *(record(number) for number in range(MAX_NAMED_POSTS + 3)))
    found = posts_named(db_session, "标题")
    assert (len(found.posts), found.total) == (MAX_NAMED_POSTS, MAX_NAMED_POSTS + 3)
    with pytest.raises(NotArchived) as error:
        post_named(db_session, "标题")
    assert error.value.message.params["n"] == MAX_NAMED_POSTS + 3
    assert str(error.value).endswith("\n  …")


def test_a_post_of_another_account_is_not_denied(db_session: Session) -> None:
    take(db_session, record(1))
    with pytest.raises(NotArchived) as error:
        post_named(db_session, "1001_1", "别的账号")
    assert error.value.message.code == "archive.lookup.other_account"
    assert f"1001_1  2026-03-01  示例账号 ({BIZ})" in str(error.value)


@pytest.mark.parametrize(
    ("name", "code", "quoted"),
    [
        ("", "empty", None),
        (canonical_url(BIZ, "9", "1", "5a"), "no_address", f"'https://mp.weixin.qq.com/s?__biz={BIZ}&mid=9&idx=1&sn=5a'"),
        (SHORT, "no_address", SHORT),
        ("9_1", "no_aid", None),
        ("it's; rm -rf", "no_title", "'it'\"'\"'s; rm -rf'"),
    ],
)  # fmt: skip
def test_what_is_not_archived_has_a_way_on_that_can_be_pasted(
    db_session: Session, name: str, code: str, quoted: str | None
) -> None:
    take(db_session, record(1))
    with pytest.raises(NotArchived) as error:
        post_named(db_session, name)
    assert error.value.message.code == f"archive.lookup.{code}"
    assert error.value.message.params.get("quoted") == quoted
    assert "\n" not in str(error.value)


def test_an_address_that_led_to_no_post_says_what_it_led_to(db_session: Session) -> None:
    (seen,) = record_sightings(db_session, None, [SightingData(parse_address(LONG), "list", NOW)], NOW)
    (kept,) = store_captures(
        db_session, None, [(seen.address_id, CaptureData(LONG, LONG, 200, (), b"x", NOW))]
    )
    store_parse_results(db_session, None, [(kept, ParsedPage(Outcome.DELETED, "gone"))], NOW, 1)
    with pytest.raises(NotArchived) as error:
        post_named(db_session, LONG)
    assert "deleted by its author" in str(error.value)


def test_a_search_for_words_stays_a_search(db_session: Session) -> None:
    take(db_session, record(1, text="编号 2650693508 的文件"), record(2, title="2650693508"))
    assert [hit.aid for hit in find_hits(db_session, "2650693508").hits] == ["1002_1", "1001_1"]
    assert find_hits(db_session, LONG, PostFilter(kind="picture")).hits == []
    assert find_hits(db_session, LONG, PostFilter(since=NOW.date() + timedelta(days=1))).hits == []
    with pytest.raises(SearchError):
        find_hits(db_session, "-没有")


def test_a_name_is_compared_in_half_width_and_without_gaps(db_session: Session) -> None:
    take(db_session, record(1, title="ＡＢＣ\u3000工业\u00a0ｈ"))
    found = posts_named(db_session, unicodedata.normalize("NFKC", "abc工业 H"))
    assert (found.form, [post.aid for post, _ in found.posts]) == (NameForm.TITLE, ["1001_1"])


@pytest.mark.parametrize(
    "words",
    ["第一段", "第一段 -别的", '"第一段 第二段"', "段", "1002_1", LONG, TITLE, "办法", "没有的词", "标"],
)
def test_a_filter_with_a_query_selects_what_a_search_finds(db_session: Session, words: str) -> None:
    take(db_session, record(1), record(2, title=TITLE), record(3, text="别的第一段\r"))
    for chosen in (PostFilter(), PostFilter(account=BIZ), PostFilter(kind="picture")):
        hits = {hit.aid for hit in find_hits(db_session, words, chosen, limit=100).hits}
        found = {one.aid for one in records(db_session, with_query(db_session, words, chosen))}
        assert found == hits


def test_a_query_that_cannot_be_run_is_an_error_of_the_filter_as_well(db_session: Session) -> None:
    with pytest.raises(SearchError):
        with_query(db_session, "-没有", PostFilter())

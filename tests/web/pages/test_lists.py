"""The pages of the reading room, asked for over HTTP: what is shown, under which status, guarded how."""

import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text

from archive.db.engine import transaction
from archive.db.models import MediumRow, PostMedium
from archive.rendering.page import MAX_TAGS
from tests.archive.making import BIZ, image
from tests.web.conftest import Room
from tests.web.seeding import (
    DELETED,
    EDITED,
    QUOTED,
    SVG,
    daily_records,
    invented,
    keep_one,
    page_of,
    put_pages,
)
from tests.web.served import Got, served
from web.pages import posts

OTHER = "Mzk5OTAwMDAwMQ=="  # the stand-in's account
RICH = f"/posts/{OTHER}/2650000101_1"
POST, ACCOUNT = f"/posts/{BIZ}", f"/accounts/{BIZ}"
PAGES = (
    "/", "/accounts", "/health", "/search", "/search?q=%E5%90%88%E6%88%90&order=relevance", ACCOUNT,
    f"{ACCOUNT}/calendar", f"{ACCOUNT}/gaps", RICH, f"{RICH}/page", f"{POST}/{EDITED}/history",
    f"{POST}/{DELETED}/captures", "/no-such-page",
)  # fmt: skip
_OUTSIDE = re.compile(r'(?:src|srcset|data|action|poster|background)="(?:https?:)?//')
_LONG_AGO = datetime(2012, 9, 1, 4, 0, tzinfo=UTC)


def words(got: Got) -> str:
    """What a page says, without its marks."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", got.body.decode())).split())


def get(room: Room, path: str, **headers: str) -> Got:
    return room.web.ask("GET", path, **headers)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_page_is_guarded_complete_and_in_one_language(room: Room, lang: str) -> None:
    for path in PAGES:
        got = get(room, f"{path}{'&' if '?' in path else '?'}lang={lang}")
        assert got.status == (404 if "no-such" in path else 200), path
        policy = got.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self';"), path
        assert "frame-ancestors 'none'" in policy
        assert "script" not in policy
        assert got.headers["Referrer-Policy"] == "no-referrer"
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in got.headers
        page = got.body.decode()
        assert f'<html lang="{"zh-Hans" if lang == "zh" else "en"}">' in page
        assert "<script" not in page
        assert " style=" not in page
        assert not _OUTSIDE.search(page), path
        assert ("跳到正文" in page) is (lang == "zh")


def test_the_language_is_the_browsers_unless_the_address_names_one_which_links_then_keep(room: Room) -> None:
    chinese = get(room, "/", Accept_Language="de, zh-CN;q=0.8, en;q=0.3").body.decode()
    assert 'lang="zh-Hans"' in chinese
    assert 'href="/health"' in chinese
    english = get(room, "/?lang=en", Accept_Language="zh-CN").body.decode()
    assert '<html lang="en">' in english
    assert 'href="/health?lang=en"' in english
    assert get(room, "/", Accept_Language="x;q=é, ;;q=,*").status == 200


def test_the_stream_shows_pushes_by_day_and_pages_through_every_post_once(room: Room) -> None:
    # other tests add posts of 2012
    path, seen, pages = f"{ACCOUNT}?since=2013-01-01&until=2025-11-10&lang=en", [], 0
    while path:
        page = get(room, path).body.decode()
        seen += re.findall(rf'href="{POST}/([0-9_]+)\?lang=en"', page)
        pages += 1
        more = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(more[1]) if more else ""
    assert pages > 2
    assert len(seen) == len(set(seen)) == len(daily_records())
    days = re.findall(r'datetime="(2025-11-0\d)"', get(room, f"{ACCOUNT}?until=2025-11-05").body.decode())
    assert days == sorted(days, reverse=True)


def test_filters_choose_and_what_is_no_filter_is_refused_in_words(room: Room) -> None:
    pictures = get(room, "/?kind=picture&account=&since=&until=").body.decode()
    assert 'kind">pictures' in pictures
    assert 'kind">article' not in pictures
    assert "No posts match" in words(get(room, "/?account=nobody&lang=en"))
    for bad in ("?until=yesterday", "?kind=letter", "?after=zzz", f"?account={'x' * 201}", "?after=%00"):
        got = get(room, f"/{bad}")
        assert got.status == 400, bad
        assert "This cannot be understood" in words(got)


def test_a_post_shows_its_text_pictures_facts_and_links_to_posts_of_the_archive(room: Room) -> None:
    said = words(get(room, RICH))
    assert "云屿市虚构的制造业数字化转型方案发布, 全文来了" in said
    assert "2025-11-07 08:31" in said
    assert "Original yes" in said
    page = get(room, RICH).body.decode()
    (src,) = re.findall(r'<img src="(/files/[0-9a-f]{64})" alt="Picture 1"', page)
    file = get(room, src)
    assert file.headers["Content-Type"] == "image/png"
    assert hashlib.sha256(file.body).hexdigest() == src.removeprefix("/files/")
    newest = re.findall(r'href="(/posts/[^"]+)"', get(room, f"/accounts/{OTHER}").body.decode())[0]
    assert f'href="{RICH}"' in get(room, newest).body.decode()  # it leads to that one


def test_history_tells_versions_captures_and_absences_and_marks_what_changed(room: Room) -> None:
    page = get(room, f"{POST}/{EDITED}/history").body.decode()
    assert "<ins><span" in page
    assert ">二</ins>" in page
    assert "characters that did not change" in page
    said = words(get(room, f"{POST}/{DELETED}/history"))
    assert "away: deleted by its author; last seen 2025-11-09 12:00 该内容已被发布者删除" in said
    assert "There is one version only." in said
    assert "no longer to be had" in words(get(room, f"{POST}/{DELETED}"))
    assert get(room, f"{POST}/{EDITED}/history?before=1&after=9").status == 404
    assert get(room, f"{POST}/{EDITED}/history?before=0").status == 400


def test_a_capture_is_shown_as_text_to_the_byte_and_never_as_a_page(room: Room) -> None:
    page = get(room, f"{POST}/{EDITED}/captures").body.decode()
    number = re.findall(r'href="/captures/(\d+)"', page)[0]
    got = get(room, f"/captures/{number}")
    assert got.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "sandbox" in got.headers["Content-Security-Policy"]
    assert hashlib.sha256(got.body).hexdigest() in page
    assert get(room, f"/api/v1/captures/{number}/body").body == got.body
    assert get(room, f"/captures/{number}", If_None_Match=got.headers["ETag"]).status == 304
    assert get(room, "/captures/999999").status == 404


def test_a_file_has_its_type_its_stretches_and_no_rights(room: Room) -> None:
    with transaction(room.engine) as session:
        reading = invented("12001_1", "合成图", "图。\r", day="2012-09-01")
        media = (image("synthetic_svg"), image("synthetic_bin", 1))
        put_pages(session, [page_of(replace(reading, media=media))], _LONG_AGO)
        rows = select(MediumRow.id).join(PostMedium).where(MediumRow.key.contains("synthetic_"))
        svg, binary = session.scalars(
            rows.where(MediumRow.url.in_([one.url for one in media])).order_by(MediumRow.url.desc())
        )
    drawing = f"/files/{keep_one(room.engine, room.folder, svg, SVG, 'image/svg+xml')}"
    got = get(room, drawing)
    assert got.headers["Content-Type"] == "image/svg+xml"
    assert got.headers["Content-Security-Policy"].endswith("sandbox")
    other = get(room, f"/files/{keep_one(room.engine, room.folder, binary, b'<script>', 'text/html')}")
    assert other.headers["Content-Type"] == "application/octet-stream"
    assert other.headers["Content-Disposition"].startswith("attachment")
    part = get(room, drawing, Range="bytes=5-8")
    assert (part.status, part.body) == (206, SVG[5:9])
    assert part.headers["Content-Range"] == f"bytes 5-8/{len(SVG)}"
    assert get(room, drawing, Range="bytes=-4").body == SVG[-4:]
    assert get(room, drawing, Range=f"bytes={len(SVG)}-").status == 416
    for unheeded in ("bytes=x-y", "bytes=-", "lines=1-2", "bytes=0-1,3-4"):
        assert get(room, drawing, Range=unheeded).status == 200
    assert get(room, drawing, If_None_Match=got.headers["ETag"]).status == 304
    assert get(room, f"/files/{'0' * 64}").status == 404
    assert get(room, "/files/..%2f..%2fetc%2fpasswd").status in (400, 404)


def test_a_missing_or_damaged_file_is_said_not_shown(room: Room) -> None:
    with transaction(room.engine) as session:
        number = session.scalars(select(MediumRow.id).where(MediumRow.type == "image")).first() or 0
    lost = keep_one(room.engine, room.folder, number, b"lost")
    path = next(one for one in room.folder.paths() if lost in one)
    place = room.media / path
    place.write_bytes(b"tampered")
    assert get(room, f"/files/{lost}").status == 500
    place.unlink()
    got = get(room, f"/files/{lost}")
    assert got.status == 404
    assert "media folder" in words(got)
    place.mkdir()
    assert get(room, f"/files/{lost}").status in (500, 503)  # damaged, or the folder away: not shown


def test_search_marks_what_it_found_and_says_what_cannot_be_searched(room: Room) -> None:
    page = get(room, f"/search?q={quote('截止时间')}&lang=en").body.decode()
    assert "<mark>截止时间</mark>" in page
    assert f"{POST}/{EDITED}" in page
    first = get(room, f"/search?q={quote('合成日报')}").body.decode()
    more = unescape(re.findall(r'href="(/search[^"]+)" rel="next"', first)[0])
    hits = r'<h2 lang="zh"><a href="([^"]+)"'
    assert not set(re.findall(hits, first)) & set(re.findall(hits, get(room, more).body.decode()))
    assert "No post holds these words" in words(get(room, "/search?q=xyzzyx"))
    assert get(room, "/search?q=%22").status == 400
    assert get(room, "/search?q=x&after=tampered").status == 400
    for anything in ("%00", "%ff%fe", "%F0%9F%98%80", "%3Cscript%3E", "-", quote("😀" * 300)):
        assert get(room, f"/search?q={anything}").status in (200, 400)
    assert 'value="&#34;&gt;&lt;script&gt;"' in get(room, "/search?q=%22%3E%3Cscript%3E").body.decode()


def test_the_calendar_counts_days_months_and_silences_and_gaps_have_a_page(room: Room) -> None:
    page = get(room, f"{ACCOUNT}/calendar?year=2025&lang=en")
    said = words(page)
    assert page.body.decode().count('<rect class="h') == 365
    assert "most on 2025-" in said
    assert re.search(r"\b11 2025-09-10 2025-09-22\b", said)
    assert "within 10 minutes" in said
    assert words(get(room, f"{ACCOUNT}/calendar?year=2019&lang=en")).count("No posts in this year.") == 2
    assert get(room, f"{ACCOUNT}/calendar?year=banana").status == 400
    assert "Posts without their page" in words(get(room, f"{ACCOUNT}/gaps?lang=en"))
    assert get(room, "/accounts/unknown/calendar").status == 404


def test_health_tells_what_is_wrong_what_was_and_how_much_there_is(room: Room) -> None:
    said = words(get(room, "/health?lang=en"))
    assert (
        "Wrong now Began What What to do 2025-11-09 12:00 /data has 1 MB left make room: once the disk"
        in said
    )
    assert "示例账号 has published nothing since 2025-10-10 12:00, longer than ever is usual" in said
    assert "unreachable its server is in trouble (status 503)" in said
    assert "office 2025-11-20 12:00 2025-11-20 12:30 verification demanded" in said
    assert "backfill 2025-11-09 12:00 2025-11-09 12:05 done" in said
    assert "Verified, last on 2025-11-20 12:02; not as archived: 1, which" in said
    assert "Rows looked at: Bytes of captures 20 Media files 18 Heads" in said
    assert re.search(r"Heads of the chains .* \b[0-9a-f]{64}\b", said)


def test_what_the_archive_wrote_down_is_chinese_on_chinese_pages_but_for_what_others_said(room: Room) -> None:
    for path in ("/health", f"{ACCOUNT}/gaps", f"/accounts/{OTHER}/gaps"):
        page = get(room, f"{path}?lang=zh").body.decode()
        english = re.findall(r' lang="en"[^>]*>([^<]*)<', page)
        assert english == ["English", *[QUOTED] * (path == "/health")], path
        own = get(room, f"{path}?lang=en").body.decode()
        assert own.count('<html lang="en"') == own.count(' lang="en"') - 1, path  # and the link to English
    assert "来自 原网页" in words(get(room, f"{POST}/{EDITED}/history?lang=zh"))
    said = words(get(room, "/health?lang=zh"))
    assert "当前问题 开始 事件 处理办法 2025-11-09 12:00 /data 仅剩 1 MB 请腾出空间" in said
    assert "示例账号 自 2025-10-10 12:00 起未发布文章，已超出通常的最长间隔" in said
    assert "feed:synthetic 无法连接 服务器出错（状态码 503）" in said
    assert "album:1 正常 已略去其他公众号的 1 篇文章" in said
    assert "补录（backfill） 2025-11-09 12:00 2025-11-09 12:05 完成 新增 18，成功 20" in said
    assert "取自导出文件（dump）；从未请求 `mparchive audit --fill` 会抓取它" in words(
        get(room, f"{ACCOUNT}/gaps?lang=zh")
    )


def test_why_a_page_is_not_shown_is_chinese_on_chinese_pages(room: Room) -> None:
    for path, why in {
        "/captures/999999": "没有抓取记录 999999",
        "/accounts/unknown/calendar": "存档中没有公众号 unknown",
        "/search?q=-x": "只有要排除的词",
        "/search?q=x&after=tampered": "续读位置不属于此次检索",
        "/?after=tampered": "该翻页位置不属于本存档",
        "/?since=yesterday&kind=letter": "；since：请按 YYYY-MM-DD 给出日期",
        "/?since=1731283200": "since：请按 YYYY-MM-DD 给出日期",
        "/accounts/..": "biz：格式应为 ^[A-Za-z0-9+/=_-]{1,64}$",
        "/captures/9223372036854775808": "number：必须小于 9223372036854775808",
        "/captures/x": "number：请给出整数",
    }.items():
        got = get(room, f"{path}{'&' if '?' in path else '?'}lang=zh")
        assert got.status in (400, 404)
        assert why in words(got)
        assert got.body.decode().count(' lang="en"') == 1, "the link to English"


def test_what_the_reader_has_is_not_sent_again_and_head_has_no_body(room: Room) -> None:
    got = get(room, RICH)
    again = get(room, RICH, If_None_Match=got.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert get(room, f"{RICH}?lang=zh", If_None_Match=got.headers["ETag"]).status == 200
    head = room.web.ask("HEAD", RICH)
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", got.headers["ETag"])
    style = re.findall(r'href="(/static/[^"]+)"', got.body.decode())[0]
    assert get(room, style).headers["Content-Type"].startswith("text/css")
    assert get(room, "/favicon.ico").status == 200


def test_programs_are_answered_as_programs_and_people_as_people(room: Room) -> None:
    assert get(room, "/api/v1/nothing").headers["Content-Type"] == "application/problem+json"
    assert room.web.ask("POST", "/health").status == 405
    assert get(room, "/nothing").headers["Content-Type"].startswith("text/html")


_ANYTHING = st.binary(max_size=40).map(quote) | st.text(max_size=20).map(quote)
_NAMES = st.sampled_from(
    ["q", "lang", "account", "kind", "since", "until", "after", "order", "year", "before", "self", "status"]
)


@given(path=st.sampled_from(PAGES), given=st.dictionaries(_NAMES, _ANYTHING, max_size=4))
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_whatever_an_address_holds_the_answer_is_a_page_or_a_clean_refusal(
    room: Room, path: str, given: dict[str, str]
) -> None:
    query = "&".join(f"{name}={value}" for name, value in given.items())
    assert get(room, f"{path}{'&' if '?' in path else '?'}{query}").status in (200, 400, 404)


def test_a_database_that_is_away_is_said_as_a_page(engine: Engine) -> None:
    with served(engine) as client:
        with transaction(engine) as session:
            session.execute(text("ALTER TABLE posts RENAME TO elsewhere"))
        got = client.ask("GET", "/?lang=zh")
        assert got.status == 503
        assert got.headers["Retry-After"]
        assert "存档暂时无法响应" in words(got)
        assert "SELECT" not in words(got)


def test_a_page_that_cannot_be_made_is_said_and_harms_no_other(room: Room) -> None:
    whole, large = (invented(f"{number}_1", "题", "文", html, "2012-09-01") for number, html in (
        (14_001, "<svg><image><a><img></a></image></svg><p>字</p>"), (14_002, "<b>" * (MAX_TAGS + 1))
    ))  # fmt: skip
    with transaction(room.engine) as session:
        put_pages(session, [page_of(whole), page_of(large)], _LONG_AGO)
    assert get(room, f"{POST}/14001_1/offline").status == 200
    refused = get(room, f"{POST}/14002_1/offline")
    assert refused.status == 501
    assert "the page of post 14002_1 cannot be made (it has" in words(refused)
    assert get(room, f"{POST}/14002_1").status == 200


def test_a_page_that_fails_unforeseen_is_answered_in_words(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise RecursionError("maximum recursion depth exceeded")

    monkeypatch.setattr(posts, "offline_page", fail)
    got = get(room, f"{RICH}/offline")
    assert got.status == 501
    assert "RecursionError" in words(got)
    assert "Traceback" not in words(got)

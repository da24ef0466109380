"""Whole crawls: real processes, real HTTP on loopback, real Postgres."""

import datetime
import hashlib
import ssl
import subprocess
import zlib

import pytest

from tests.crawler import pages
from tests.crawler.crawling import Crawler
from tests.crawler.loopback import Loopback, Reply

WITH_RESULT = "captures c LEFT JOIN parse_results r ON r.capture_id = c.id"


def urls(*mids: int) -> list[str]:
    return [pages.url(mid) for mid in mids]


def serve_articles(server: Loopback, *mids: int) -> None:
    for mid in mids:
        server.serve(pages.path(mid), Reply(pages.article(mid)))


def outcomes(crawler: Crawler) -> list[tuple[int, str]]:
    return crawler.rows(f"SELECT status, outcome FROM {WITH_RESULT} ORDER BY c.id")


def aids(crawler: Crawler) -> list[str]:
    return [aid for (aid,) in crawler.rows("SELECT aid FROM posts ORDER BY aid")]


def test_a_post_is_kept_byte_for_byte_read_and_stored(crawler, server):
    serve_articles(server, 1)
    crawl = crawler.crawl(urls(1))
    assert (crawl.exit_code, crawl.verdict) == (0, "done"), crawl.output
    assert crawl.counts["stored"] == {"new": 1}
    ((digest, size, outcome),) = crawler.rows(f"SELECT sha256, body_size, outcome FROM {WITH_RESULT}")
    page = pages.article(1)
    assert (bytes(digest), size, outcome) == (hashlib.sha256(page).digest(), len(page), "article")
    assert crawler.rows(
        "SELECT aid, v.title, text FROM posts JOIN versions v ON v.id = current_version_id"
    ) == [("1_1", "合成标题1", "合成的正文。\r")]
    assert crawler.rows("SELECT status FROM runs") == [("done",)]


def test_the_server_is_asked_as_a_plain_chinese_desktop_and_with_the_whole_address(crawler, server):
    serve_articles(server, 1)
    given = pages.url(1).replace("#rd", "&key=c0ffee&pass_ticket=c0ffee#rd")
    crawl = crawler.crawl([given], environment={"MPARCHIVE_LOG_LEVEL": "DEBUG"})
    (asked,) = server.asked
    assert asked.path == pages.path(1)
    assert asked.headers["Accept-Language"].startswith("zh-CN")
    assert "Mozilla/5.0" in asked.headers["User-Agent"]
    assert "Scrapy" not in asked.headers["User-Agent"]
    assert not {"Cookie", "Referer"} & set(asked.headers)
    assert "c0ffee" not in crawl.output


def test_no_secret_of_an_answer_reaches_the_log_or_the_archive_s_headers(crawler, server):
    server.serve(
        pages.path(1), Reply(b"", 302, {"Location": pages.VERIFICATION_PATH, "Set-Cookie": "a=c0ffee"})
    )
    server.serve(pages.VERIFICATION_PATH, Reply(pages.verification(), headers={"Set-Cookie": "a=c0ffee"}))
    crawl = crawler.crawl(urls(1), environment={"MPARCHIVE_LOG_LEVEL": "DEBUG"})
    assert crawl.exit_code == 5
    assert "c0ffee" not in crawl.output
    ((final_url, headers),) = crawler.rows("SELECT final_url, headers::text FROM captures")
    assert "poc_token=SCRUBBED" in final_url
    assert "c0ffee" not in headers
    assert "Content-Type" in headers


def test_every_outcome_is_kept_and_only_an_article_becomes_a_post(crawler, server):
    serve_articles(server, 1)
    server.serve(pages.path(2), Reply(pages.deleted()))
    server.serve(pages.path(3), Reply(b"<html>nothing known</html>"))
    server.serve(pages.path(4), Reply(pages.article(4), 500))
    crawl = crawler.crawl(urls(1, 2, 3, 4), RETRY_TIMES=0)
    assert (crawl.exit_code, crawl.verdict) == (3, "partly_failed"), crawl.output
    assert sorted(outcomes(crawler)) == [
        (200, "article"),
        (200, "deleted"),
        (200, "unknown"),
        (500, "unknown"),
    ]
    assert aids(crawler) == ["1_1"]


@pytest.mark.parametrize(
    "fault",
    [
        Reply(b"busy", 503),
        Reply(b"busy", 429, {"Retry-After": "0"}),
        Reply(b"slow", 408),
        Reply(pages.article(1), cut=40),
        Reply(pages.article(1), cut=40, packed=False),
    ],
    ids=["503", "429", "408", "cut packed", "cut plain"],
)
def test_what_is_transient_is_asked_again(crawler, server, fault):
    server.serve(pages.path(1), fault, Reply(pages.article(1)))
    crawl = crawler.crawl(urls(1))
    assert (crawl.verdict, len(server.asked)) == ("done", 2), crawl.output
    assert outcomes(crawler) == [(200, "article")]


def test_a_server_that_stays_away_is_noted_and_the_address_asked_another_time(crawler, server):
    server.serve(pages.path(1), Reply(pages.article(1), cut=40))
    crawl = crawler.crawl(urls(1), RETRY_TIMES=1)
    assert (crawl.exit_code, crawl.verdict, len(server.asked)) == (4, "nothing_fetched", 2), crawl.output
    assert outcomes(crawler) == []
    ((attempts, later),) = crawler.rows("SELECT attempts, next_fetch_at > now() FROM addresses")
    assert (attempts, later) == (1, True)


def test_a_dead_line_stops_the_run_before_it_uses_up_every_address(crawler, server):
    mids = range(1, 60)  # without pauses some are under way before the first failures are stored
    for mid in mids:
        server.serve(pages.path(mid), Reply(pages.article(mid), cut=40))
    crawl = crawler.crawl(urls(*mids), RETRY_TIMES=0)
    assert (crawl.verdict, crawl.counts["reason"]) == ("nothing_fetched", "unreachable"), crawl.output
    assert 5 <= len(server.asked) < len(mids)


def test_too_many_requests_stops_the_run(crawler, server):
    server.serve(pages.path(1), Reply(b"", 429, {"Retry-After": "3600"}))
    serve_articles(server, 2)
    crawl = crawler.crawl(urls(1, 2), DOWNLOAD_DELAY=1)
    assert (crawl.exit_code, crawl.verdict) == (5, "rate_limited"), crawl.output
    assert server.paths == [pages.path(1)]


def test_a_verification_page_stops_the_run_before_the_next_request(crawler, server):
    serve_articles(server, 1, 3, 4)
    server.serve(pages.path(2), Reply(b"", 302, {"Location": pages.VERIFICATION_PATH}))
    server.serve(pages.VERIFICATION_PATH, Reply(pages.verification()))
    crawl = crawler.crawl(urls(1, 2, 3, 4), DOWNLOAD_DELAY=1)
    assert (crawl.exit_code, crawl.verdict) == (5, "verification"), crawl.output
    assert server.paths == [pages.path(1), pages.path(2), pages.VERIFICATION_PATH]
    assert crawler.rows("SELECT status FROM runs") == [("verification",)]
    due = crawler.rows("SELECT count(*) FROM addresses WHERE next_fetch_at <= now()")
    assert due == [(2,)]  # the two that were not asked


def test_a_redirect_elsewhere_is_kept_but_not_followed(crawler, server):
    with Loopback() as trap:
        server.serve(pages.path(1), Reply(b"", 302, {"Location": f"{trap.url}/s/elsewhere"}))
        crawl = crawler.crawl(urls(1))
        assert trap.asked == []
    assert (crawl.exit_code, crawl.verdict) == (4, "nothing_fetched"), crawl.output
    assert crawler.rows(f"SELECT status, outcome, reason LIKE '%Location%' FROM {WITH_RESULT}") == [
        (302, "unknown", True)
    ]


def test_a_redirect_that_never_ends_is_given_up(crawler, server):
    server.serve(pages.path(1), Reply(b"", 302, {"Location": pages.path(1)}))
    crawl = crawler.crawl(urls(1))
    assert crawl.exit_code == 4, crawl.output
    assert len(server.asked) == 6  # REDIRECT_MAX_TIMES is 5


def test_two_addresses_of_one_post_are_asked_once_and_with_its_chksm(crawler, server):
    serve_articles(server, 1)
    bare = pages.url(1).partition("&chksm=")[0] + "#wechat_redirect"
    crawl = crawler.crawl([bare, pages.url(1), bare])
    assert crawl.verdict == "done", crawl.output
    assert server.paths == [pages.path(1)]


def test_a_page_that_unpacks_to_too_much_is_refused(crawler, server):
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(40)) + packer.flush()
    server.serve(pages.path(1), Reply(bomb, headers={"Content-Encoding": "gzip"}, packed=False))
    crawl = crawler.crawl(urls(1))
    assert crawl.exit_code == 4, crawl.output
    assert "when unpacked" in crawl.output
    assert outcomes(crawler) == []


def test_a_page_larger_than_the_cap_is_not_downloaded(crawler, server):
    server.serve(pages.path(1), Reply(bytes(17 * 1024 * 1024), packed=False))
    crawl = crawler.crawl(urls(1), RETRY_TIMES=0)
    assert crawl.exit_code == 4, crawl.output
    assert outcomes(crawler) == []


def test_an_address_of_another_host_is_refused_in_one_sentence(crawler, server):
    crawl = crawler.crawl(["https://elsewhere.example/s?__biz=a&mid=1&idx=1"])
    assert (crawl.exit_code, crawl.verdict) == (2, "usage"), crawl.output
    assert "only mp.weixin.qq.com is archived" in crawl.output
    assert "Traceback" not in crawl.output


def test_with_nothing_due_the_verdict_says_so(crawler, server):
    crawl = crawler.crawl()
    assert (crawl.exit_code, crawl.verdict, server.asked) == (0, "nothing_due", []), crawl.output


def test_another_post_than_the_one_asked_for_is_kept_but_not_as_that_post(crawler, server):
    server.serve(pages.path(1), Reply(pages.article(2)))
    server.serve(pages.path(3), Reply(b"", 302, {"Location": pages.path(4)}))
    serve_articles(server, 4, 5)
    crawl = crawler.crawl(urls(1, 3, 5))
    assert (crawl.exit_code, crawl.verdict) == (3, "partly_failed"), crawl.output
    assert crawl.counts["stored"] == {"other_post": 2, "new": 1}
    assert aids(crawler) == ["5_1"]
    reasons = (
        "SELECT split_part(reason, ' ', 1) FROM parse_results WHERE outcome = 'unknown' ORDER BY capture_id"
    )
    assert crawler.rows(reasons) == [("archive.post.other",), ("archive.post.redirected",)]
    assert crawler.rows("SELECT count(*) FROM addresses WHERE next_fetch_at > now()") == [(2,)]


def test_what_is_due_is_fetched_and_then_due_no_more(crawler, server):
    serve_articles(server, 1, 2)
    server.serve(pages.path(3), Reply(pages.article(3), cut=9))
    assert crawler.crawl(urls(1, 2, 3), RETRY_TIMES=0).verdict == "partly_failed"
    assert crawler.crawl().verdict == "nothing_due"  # 1 and 2 are done, 3 waits for its back-off
    assert aids(crawler) == ["1_1", "2_1"]


def test_a_database_that_is_not_there_is_said_in_one_sentence(crawler, server):
    elsewhere = "postgresql://nobody:c0ffee@127.0.0.1:1/none"
    crawl = crawler.crawl(urls(1), environment={"MPARCHIVE_DATABASE_URL": elsewhere})
    assert crawl.exit_code == 6, crawl.output
    assert "Traceback" not in crawl.output
    assert "c0ffee" not in crawl.output
    assert server.asked == []


def test_a_certificate_nobody_vouches_for_is_refused(fresh_database_url, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        ["openssl", *command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Loopback(context) as server:
        serve_articles(server, 1)
        crawl = Crawler(fresh_database_url, server.url).crawl(urls(1), RETRY_TIMES=0)
    assert crawl.exit_code == 4, crawl.output
    assert "certificate" in crawl.output
    assert server.asked == []


def test_a_list_in_a_file_is_fetched(crawler, server, tmp_path):
    serve_articles(server, 1, 2)
    listed = tmp_path / "list.txt"
    listed.write_text(f"# a list\n{pages.url(1)}\n\n{pages.url(2)}\n", encoding="utf-8-sig")
    crawl = crawler.crawl([str(listed)])
    assert (crawl.verdict, crawl.counts["fetched"]) == ("done", 2), crawl.output


def test_the_moment_of_a_capture_is_an_instant_in_utc(crawler, server):
    serve_articles(server, 1)
    before = datetime.datetime.now(datetime.UTC)
    crawler.crawl(urls(1))
    ((moment,),) = crawler.rows("SELECT fetched_at FROM captures")
    assert before <= moment <= datetime.datetime.now(datetime.UTC)

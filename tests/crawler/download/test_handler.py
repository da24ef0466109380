"""The download handler in whole crawls: addresses stay WeChat's, whatever server answers."""

from pathlib import Path

from tests.crawler import pages
from tests.crawler.crawling import Crawler
from tests.crawler.loopback import Loopback, Reply


def test_a_redirect_of_the_stand_in_is_one_of_wechats(crawler: Crawler, server: Loopback) -> None:
    server.serve(pages.path(1), Reply(b"", 302, {"Location": f"{server.url}{pages.path(2)}"}))
    server.serve(pages.path(2), Reply(pages.article(1)))
    crawl = crawler.crawl([pages.url(1)])
    assert crawl.verdict == "done", crawl.output
    assert server.paths == [pages.path(1), pages.path(2)]
    ((requested, final),) = crawler.rows("SELECT requested_url, final_url FROM captures")
    assert (requested, final) == tuple(f"https://mp.weixin.qq.com{pages.path(mid)}" for mid in (1, 2))


def test_nothing_is_sent_while_a_cassette_is_replayed(
    crawler: Crawler, server: Loopback, tmp_path: Path
) -> None:
    server.serve(pages.path(1), Reply(pages.article(1)))
    cassette = str(tmp_path / "one.yaml")
    crawler.crawl([pages.url(1)], CASSETTE=cassette, CASSETTE_MODE="record")
    sent = len(server.paths)
    crawl = crawler.crawl([pages.url(1)], CASSETTE=cassette, CASSETTE_MODE="replay")
    assert (crawl.verdict, len(server.paths)) == ("done", sent), crawl.output


def test_a_loopback_that_is_elsewhere_is_refused_before_anything_starts(crawler: Crawler) -> None:
    crawl = crawler.crawl([pages.url(1)], environment={"MPARCHIVE_LOOPBACK": "https://elsewhere.invalid"})
    assert crawl.exit_code == 2
    assert "MPARCHIVE_LOOPBACK is 'https://elsewhere.invalid'; give an origin of this machine" in crawl.output

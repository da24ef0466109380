"""A page that cannot be read or stored stops no crawl, neither its own nor a later one."""

from sqlalchemy import text

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import parse_address
from archive.domain.captures import CaptureData, SightingData
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from tests.archive.making import NOW
from tests.crawler import pages
from tests.crawler.crawling import Crawler
from tests.crawler.loopback import Loopback, Reply

MIDS = (1, 2, 3)
REFUSE = "ALTER TABLE posts ADD CONSTRAINT poison CHECK (title <> '合成标题2')"


def refuse_one_post(crawler: Crawler, *, keep: bool) -> None:
    """Make the database refuse the second post; with `keep` its page and two more are kept unread."""
    captures = [CaptureData(pages.url(mid), pages.url(mid), 200, (), pages.article(mid), NOW) for mid in MIDS]
    settings = ArchiveSettings(database_url=crawler.database_url)
    with open_archive(settings) as engine, transaction(engine) as session:
        session.execute(text(REFUSE))
        if keep:
            seen = [SightingData(parse_address(one.requested_url), "list", NOW) for one in captures]
            ids = [one.address_id for one in record_sightings(session, None, seen, NOW)]
            store_captures(session, None, list(zip(ids, captures, strict=True)))


def all_but_one_are_stored(crawler: Crawler) -> bool:
    posts = sorted(crawler.rows("SELECT aid FROM posts"))
    unknown = crawler.rows(
        "SELECT capture_id, reason LIKE '%Integrity%' FROM parse_results WHERE outcome = 'unknown'"
    )
    named = crawler.rows("SELECT kind, capture_id FROM incidents WHERE closed_at IS NULL")
    unread = crawler.rows("SELECT count(*) FROM unparsed_captures")
    return (posts, unread, [is_told for _, is_told in unknown], named) == (
        [("1_1",), ("3_1",)], [(0,)], [True], [("capture", unknown[0][0])],
    )  # fmt: skip


def test_a_crawl_stores_all_pages_but_the_one_that_the_database_refuses(
    crawler: Crawler, server: Loopback
) -> None:
    for mid in MIDS:
        server.serve(pages.path(mid), Reply(pages.article(mid)))
    refuse_one_post(crawler, keep=False)
    crawl = crawler.crawl([pages.url(mid) for mid in MIDS])
    assert all_but_one_are_stored(crawler), crawl.output


def test_a_capture_kept_unread_that_the_database_refuses_ends_no_crawl(
    crawler: Crawler, server: Loopback
) -> None:
    refuse_one_post(crawler, keep=True)
    crawl = crawler.crawl()
    assert all_but_one_are_stored(crawler), crawl.output

"""What a crawl of media does about hosts that refuse it, or that stay away."""

from tests.crawler.gallery import CDN, png
from tests.crawler.loopback import Reply
from tests.standin.media import picture


def test_a_host_that_wants_us_to_stop_is_left_alone_and_the_others_are_asked(small, server):
    busy, page = "/_host/mmbiz.qpic.cn/a/0", "/_host/wx.qlogo.cn/a/0"
    challenge = Reply(b"", 302, {"Location": "https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?x=1"})
    server.serve(busy, Reply(b"", 429, {"Retry-After": "3600"}, packed=False))
    server.serve(page, challenge)
    verify = b"<!DOCTYPE html><html><script>var PAGE_MID='mmbizwap:secitptpage/verify.html';</script></html>"
    server.serve("/mp/wappoc_appmsgcaptcha?x=1", Reply(verify))
    server.serve("/_host/mmecoa.qpic.cn/a/0", Reply(picture("synthetic_x"), packed=False))
    small.add(f"{CDN}/a/0", f"{CDN}/b/0", f"{CDN}/c/0")
    small.add("https://wx.qlogo.cn/a/0", "https://wx.qlogo.cn/b/0", "https://mmecoa.qpic.cn/a/0")
    crawl = small.crawl(DOWNLOAD_DELAY="0.3")
    asked = [busy, page, "/mp/wappoc_appmsgcaptcha?x=1", "/_host/mmecoa.qpic.cn/a/0"]
    assert sorted(server.paths) == sorted(asked)  # Scrapy takes hosts in turns
    assert crawl.counts["outcomes"] == {"failed": 2, "kept": 1}, crawl.output
    assert (crawl.counts["not_asked"], crawl.verdict) == (3, "partly_failed")
    reasons = {key: reason for key, (_, reason, *_) in small.states.items() if reason}
    assert reasons == {
        f"{CDN}/a/0": "crawler.media.too_many_requests",
        "https://wx.qlogo.cn/a/0": "crawler.media.blocked.verification",
    }
    still_due = small.crawler.rows("SELECT count(*) FROM media WHERE next_fetch_at <= now()")
    assert still_due == [(3,)]


def test_a_line_that_is_dead_is_given_up_and_what_is_left_stays_due(small, server):
    server.__exit__()
    small.add(*(png(str(number)) for number in range(8)))
    crawl = small.crawl(RETRY_TIMES=0)
    failed = crawl.counts["outcomes"]["failed"]
    assert (crawl.verdict, failed in (5, 6)) == ("nothing_fetched", True), (
        crawl.output
    )  # one may be under way
    assert crawl.counts["not_asked"] == 8 - failed

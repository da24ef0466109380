import pytest

from crawler.download.middlewares import Origin, OriginError, is_allowed, may_hold_media, over_tls

LOOPBACK = Origin("http://127.0.0.1:8000")


def test_an_address_goes_to_the_stand_in_with_its_query_untouched():
    url = "https://mp.weixin.qq.com/s?__biz=MjM5==&chksm=a%2Fb"
    assert LOOPBACK.wire(url) == "http://127.0.0.1:8000/s?__biz=MjM5==&chksm=a%2Fb"
    assert Origin().wire(url) == url


@pytest.mark.parametrize(
    "origin", ["http://10.0.0.1:1", "https://mp.weixin.qq.com", "ftp://127.0.0.1", "127.0.0.1:1"]
)
def test_only_this_machine_can_stand_in(origin):
    with pytest.raises(OriginError, match="MPARCHIVE_LOOPBACK"):
        Origin(origin)


@pytest.mark.parametrize(
    "location", ["/mp/x?a=1", "http://127.0.0.1:8000/mp/x?a=1", "http://mp.weixin.qq.com/mp/x?a=1"]
)
def test_a_redirect_is_read_as_mp_weixin_qq_coms_own(location):
    assert (
        LOOPBACK.location("https://mp.weixin.qq.com/s/abc", location) == "https://mp.weixin.qq.com/mp/x?a=1"
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/s",
        "http://mp.weixin.qq.com/s",
        "https://mp.weixin.qq.com:8443/s",
        "https://mp.weixin.qq.com@evil.example/s",
        "https://user@mp.weixin.qq.com/s",
        "https://mp.weixin.qq.com.evil.example/s",
        "file:///etc/passwd",
        "http://127.0.0.1:8000/s",
    ],
)
def test_nothing_else_is_allowed(url):
    assert not is_allowed(url)
    assert not may_hold_media(url) or url.startswith("https://mp.weixin.qq.com/")


def test_another_host_has_a_path_of_its_own_at_the_stand_in_and_comes_back_as_itself():
    url = "https://mmbiz.qpic.cn/mmbiz_png/abc/640?wx_fmt=png"
    there = "http://127.0.0.1:8000/_host/mmbiz.qpic.cn/mmbiz_png/abc/640?wx_fmt=png"
    assert LOOPBACK.wire(url) == there
    assert LOOPBACK.location("https://wx.qlogo.cn/x/0", there) == url
    assert LOOPBACK.location(url, "/moved/0") == "https://mmbiz.qpic.cn/moved/0"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://mmbiz.qpic.cn/a/0", "https://mmbiz.qpic.cn/a/0"),
        ("http://mp.weixin.qq.com/s/abc", "https://mp.weixin.qq.com/s/abc"),
        ("http://elsewhere.invalid/a", "http://elsewhere.invalid/a"),
        ("http://mmbiz.qpic.cn:8080/a", "http://mmbiz.qpic.cn:8080/a"),
    ],
)
def test_wechat_s_hosts_are_asked_over_tls(given, meant):
    assert over_tls(given) == meant


def test_a_feed_without_tls_is_asked_without_it_and_only_on_the_wire():
    url = "https://rsshub:1200/wechat/1?k=2"
    assert Origin().wire(url, over_http=True) == "http://rsshub:1200/wechat/1?k=2"
    assert Origin().wire(url) == url
    assert LOOPBACK.wire(url, over_http=True) == "http://127.0.0.1:8000/_host/rsshub:1200/wechat/1?k=2"

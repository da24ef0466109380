"""Where a medium is asked for, and in which form."""

import pytest

from archive.repository.media import DueMedium
from crawler.requests import MediumNotRequested, medium_request

MEGABYTE = 1024 * 1024
FORMS = [
    {"url": "http://mpvideo.qpic.cn/v.f10002.mp4?dis_k=1", "bytes": 90 * MEGABYTE, "width": 1280},
    {"url": "http://mpvideo.qpic.cn/v.f10003.mp4?dis_k=1", "bytes": 40 * MEGABYTE, "width": 960},
    {"url": "http://mpvideo.qpic.cn/v.f10004.mp4?dis_k=1", "bytes": 9 * MEGABYTE, "width": 640},
]


def medium(url: str, kind: str = "image", **facts: object) -> DueMedium:
    return DueMedium(1, url, url, kind, None, facts)


@pytest.mark.parametrize(
    ("limit", "form"), [(256, "f10002"), (90, "f10002"), (89, "f10003"), (40, "f10003"), (9, "f10004")]
)
def test_of_a_video_the_best_form_that_is_small_enough_is_asked_for(limit, form):
    video = medium(str(FORMS[0]["url"]), "video", bytes=FORMS[0]["bytes"], qualities=FORMS)
    request = medium_request(video, limit * MEGABYTE)
    assert request.url == f"https://mpvideo.qpic.cn/v.{form}.mp4?dis_k=1"
    assert request.meta["download_maxsize"] == limit * MEGABYTE


def test_a_video_of_no_form_small_enough_is_not_asked_for():
    video = medium(str(FORMS[0]["url"]), "video", bytes=FORMS[0]["bytes"], qualities=FORMS)
    with pytest.raises(MediumNotRequested, match="MPARCHIVE_MAX_VIDEO_MB"):
        medium_request(video, MEGABYTE)


def test_a_video_that_does_not_tell_its_size_is_asked_for_as_it_is():
    assert medium_request(medium("https://mpvideo.qpic.cn/v.mp4", "video"), 1).url.endswith("/v.mp4")


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://mmbiz.qpic.cn/a/0", "https://mmbiz.qpic.cn/a/0"),
        ("//mmbiz.qpic.cn/a/0?x=1&amp;y", "https://mmbiz.qpic.cn/a/0?x=1&amp;y"),
        ("https://MMBIZ.qpic.cn/a/0", "https://mmbiz.qpic.cn/a/0"),
        ("https://res.wx.qq.com/voice/getvoice?mediaid=x", "https://res.wx.qq.com/voice/getvoice?mediaid=x"),
        ("https://mp.weixin.qq.com/cover.jpg", "https://mp.weixin.qq.com/cover.jpg"),
    ],
)
def test_a_file_of_wechat_s_is_asked_for_over_tls(given, asked):
    assert medium_request(medium(given), 1).url == asked


@pytest.mark.parametrize(
    "given",
    [
        "https://elsewhere.invalid/a.png",
        "https://qpic.cn/a.png",
        "https://notqpic.cn/a.png",
        "https://mmbiz.qpic.cn.elsewhere.invalid/a.png",
        "https://mmbiz.qpic.cn@elsewhere.invalid/a.png",
        "https://x@mmbiz.qpic.cn/a.png",
        "https://mmbiz.qpic.cn:8443/a.png",
        "https://elsewhere.invalid/mmbiz.qpic.cn/a.png",
        "https://elsewhere.invalid\\.qpic.cn/a.png",
        "https://elsewhere.invalid%2f.qpic.cn/a.png",
        "https://[::1].qpic.cn/a.png",
        "https://127.0.0.1/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "",
        "nothing",
        "https://mmbiz.qpic.cn/" + "x" * 2000,
    ],
)
def test_nothing_else_is_asked_for(given):
    with pytest.raises(MediumNotRequested, match=r"no host of WeChat's|no address|more than 2000 characters"):
        medium_request(medium(given), 1)

"""What a post shows, on synthetic pages of the shapes that real ones have."""

import json
from typing import Any

import pytest

from crawler.parse.page import read_page
from tests.crawler.parse.made import BIZ, js, media, page, read

IMAGE = "https://mmbiz.qpic.cn/mmbiz_png/synthetic{}/640?wx_fmt=png&from=appmsg"
COVER = "https://mmbiz.qpic.cn/mmbiz_jpg/cover{}/0?wx_fmt=jpeg"
VOICE = "MzAwMDAwMDAwMF8yMjQ3NDgzNjQ5"
VOICE_URL = f"https://res.wx.qq.com/voice/getvoice?mediaid={VOICE}"


def _tag(number: int, more: str = "") -> str:
    return f'<p><img data-src="{IMAGE.format(number).replace("&", "&amp;")}" {more}></p>'


def test_images_of_the_body_in_order_with_what_their_tags_tell() -> None:
    body = _tag(2, 'data-w="1080" data-ratio="0.5" alt="图说"') + _tag(1) + "<p>字</p>"
    first, second = media(read(body), "image")
    assert (first.key, first.url) == (IMAGE.format(2), IMAGE.format(2))
    assert first.facts == {"alt": "图说", "width": 1080, "height": 540}
    assert (second.key, second.facts) == (IMAGE.format(1), {})


def test_sizes_of_the_pages_own_list_count_before_those_of_tags_and_live_photos_are_noted() -> None:
    live, mark = {"format_info": [{"a": 1}]}, {"cdn_url": IMAGE.format(9)}
    listed = [
        {"cdn_url": IMAGE.format(1), "width": 1201, "height": 1601, "live_photo": live},
        {"cdn_url": IMAGE.format(2), "width": 10, "height": 20, "watermark_info": mark},
    ]
    script = f"window.cgiDataNew = {js({'picture_page_info_list': listed, 'content_noencode': '字'})};"
    first, second = media(read("", script, show_type=8), "image")
    assert first.facts == {"width": 1201, "height": 1601, "live_photo": True}
    assert (second.key, second.facts) == (IMAGE.format(2), {"width": 10, "height": 20})
    script = f"window.cgiDataNew = {js({'picture_page_info_list': listed})};"
    article = media(read(_tag(2, 'data-w="5" data-ratio="1" alt="说"'), script), "image")
    assert article[1].facts == {"width": 10, "height": 20, "alt": "说"}


def test_a_repeated_image_stands_at_its_first_place_whatever_its_fragment_or_scheme() -> None:
    plain = IMAGE.format(1)
    again = plain.replace("https:", ""), plain.replace("https", "http")
    urls = (plain + "#imgIndex=1", IMAGE.format(2), *again)
    body = "".join(f'<img data-src="{url}">' for url in urls)
    first, second = media(read(body), "image")
    assert (first.key, first.url, second.key) == (plain, plain, IMAGE.format(2))


def test_backgrounds_are_images_and_what_is_written_into_the_page_is_none() -> None:
    body = (
        '<section style="background-image: url(&quot;https://mmbiz.qpic.cn/a/bg/0?x=1&amp;y=2&quot;)">字</section>'
        '<p data-lazy-bgimg="https://mmbiz.qpic.cn/a/lazy/0"></p><img src="data:image/png;base64,AAAA">'
        '<svg><image xlink:href="https://mmbiz.qpic.cn/a/svg/0"></image></svg><img src="./saved/640">'
    )
    reading = read(body)
    names = [medium.key.split("/")[4] for medium in media(reading, "image")]
    assert sorted(names) == ["bg", "lazy", "svg"]
    assert "data:image/png;base64,AAAA" in reading.html


def test_addresses_that_no_index_can_hold_are_left_out() -> None:
    assert media(read(f'<p>字<img data-src="https://mmbiz.qpic.cn/{"a" * 2000}"></p>'), "image") == []


def test_of_the_covers_the_widest() -> None:
    covers = {"cdn_url": COVER.format(1), "cdn_url_235_1": COVER.format(2), "cdn_url_1_1": COVER.format(3)}
    (cover,) = media(read(script=f"window.cgiDataNew = {js(covers)};"), "cover")
    assert (cover.key, cover.facts) == (COVER.format(2), {"ratio": "2.35:1"})
    (cover,) = media(read(script=f'var msg_cdn_url = "{COVER.format(1)}";'), "cover")
    assert (cover.key, cover.facts) == (COVER.format(1), {})


def _qualities(ident: str) -> list[dict[str, Any]]:
    address = f"http://mpvideo.qpic.cn/{ident}.f{{}}.mp4?dis_k=00&dis_t=1700000000&play_scene=1"
    low = {"url": address.format(10004), "duration_ms": 19735, "filesize": 430, "width": 480, "height": 960,
           "video_quality_wording": "流畅"}  # fmt: skip
    high = {**low, "url": address.format(10002), "filesize": 491, "width": 640, "height": 1280,
            "video_quality_wording": "超清"}  # fmt: skip
    return [low, high]


def _videos() -> str:
    one = {"video_id": "wxv_1", "cover_url": COVER.format(7), "mp_video_trans_info": _qualities("one")}
    return f"var videoPageInfos = [{js(one)}];"


def test_a_video_is_known_by_its_id_and_asked_for_in_its_best_quality() -> None:
    reading = read('<iframe class="video_iframe" data-mpvid="wxv_1"></iframe><p>字</p>', _videos())
    (video,), (poster,) = media(reading, "video"), media(reading, "poster")
    assert (video.key, video.expires_at) == ("video:wxv_1", None)
    assert video.url == "http://mpvideo.qpic.cn/one.f10002.mp4?dis_k=00&dis_t=1700000000&play_scene=1"
    best = {"quality": "超清", "duration_ms": 19735, "bytes": 491, "width": 640, "height": 1280}
    low = {**best, "quality": "流畅", "bytes": 430, "width": 480, "height": 960}
    assert video.facts == {
        "id": "wxv_1",
        **best,
        "signed_at": "2023-11-14T22:13:20Z",
        "qualities": [{**low, "url": video.url.replace("f10002", "f10004")}, {**best, "url": video.url}],
    }
    assert (poster.key, poster.facts["id"]) == (COVER.format(7), "wxv_1")
    assert [source["quality"] for source in reading.page["videos"][0]["sources"]] == ["流畅", "超清"]


def test_a_video_in_a_frame_without_addresses_is_told_and_its_still_is_kept() -> None:
    cover = "http%3A%2F%2Fmmbiz.qpic.cn%2Fmmbiz_jpg%2Fstill%2F0%3Fwx_fmt%3Djpeg"
    body = (
        f'<iframe class="video_iframe" data-mpvid="wxv_2" data-cover="{cover}" data-w="640" data-ratio="1.7">'
        '</iframe><iframe data-src="https://v.qq.com/iframe/preview.html?vid=a0000000001&amp;width=5"></iframe>'
    )
    reading = read(body)
    assert [video["id"] for video in reading.page["videos"]] == ["wxv_2", "a0000000001"]
    assert media(reading, "video") == []
    (poster,) = media(reading, "poster")
    assert poster.url == "http://mmbiz.qpic.cn/mmbiz_jpg/still/0?wx_fmt=jpeg"


@pytest.mark.parametrize("name", ["mp-common-videosnap", "mpvideosnap"])
def test_a_channels_video_is_told_with_its_still_under_a_name_that_stays(name: str) -> None:
    address = "https://findermp.video.qq.com/251/20304/stodownload?encfilekey=k&amp;token=t"
    card = (
        f'<{name} data-id="export/1" data-url="{address}" data-nickname="频道" data-desc="一句话" '
        f'data-nonceid="99" data-width="1920" data-height="1080" data-type="video"></{name}>'
    )
    reading = read(f"<p>{card}</p>")
    (video,) = reading.page["videos"]
    told = {"id": "export/1", "name": "频道", "title": "一句话", "nonce_id": "99", "type": "video"}
    assert video.items() >= told.items()
    (poster,) = media(reading, "poster")
    assert (poster.key, poster.url) == ("poster:export/1", address.replace("&amp;", "&"))


@pytest.mark.parametrize("name", ["mpvoice", "mp-common-mpaudio"])
def test_audios_in_an_article(name: str) -> None:
    card = (
        f'<{name} name="第&amp;nbsp;1 讲" author="讲者" play_length="66000" voice_encode_fileid="{VOICE}" '
        f'cover="http://mmbiz.qpic.cn/a/c/0"></{name}>'
    )
    reading = read(f"<p>{card}</p>", f"window.cgiDataNew = {js({'voice_in_appmsg': [{'voice_id': VOICE}]})};")
    (audio,), (poster,) = media(reading, "audio"), media(reading, "poster")
    assert (audio.key, audio.url) == (f"audio:{VOICE}", VOICE_URL)
    assert audio.facts == {"id": VOICE, "name": "第 1 讲", "author": "讲者", "duration_ms": 66000}
    assert poster.facts["id"] == VOICE
    assert reading.page["audios"][0]["url"] == VOICE_URL


def test_the_audio_of_an_audio_post() -> None:
    reading = read("", f'var voiceid = "{VOICE}"; var duration = "65"; var msg_desc = "词";', show_type=7)
    (audio,) = media(reading, "audio")
    assert (audio.key, audio.facts) == (f"audio:{VOICE}", {"id": VOICE, "duration": 65})
    assert reading.page["audios"] == [{"id": VOICE, "url": VOICE_URL, "duration": 65}]


def test_songs_are_asked_for_where_their_address_is_told() -> None:
    named = 'music_name="歌" singer="人" play_length="221"'
    song = f'<qqmusic musicid="{{}}" {named} audiourl="{{}}" albumurl="{{}}"></qqmusic>'
    address, cover = "http://ws.stream.qqmusic.qq.com/C1.m4a?fromtag=46", "https://y.gtimg.cn/music/1.jpg"
    reading = read(f"<p>{song.format(1, address, cover)}{song.format(2, '', '')}</p>")
    (audio,) = media(reading, "audio")
    assert (audio.url, audio.facts["duration_ms"]) == (address, 221_000)
    assert [one["id"] for one in reading.page["audios"]] == ["1", "2"]
    assert [poster.url for poster in media(reading, "poster")] == [cover]


def test_the_music_behind_a_post_and_audios_at_an_address() -> None:
    body = f'<p>字</p><audio loop><source src="{VOICE_URL}"></audio><audio src="https://example.org/a.mp3"></audio>'
    assert [audio.key for audio in media(read(body), "audio")] == [
        f"audio:{VOICE}",
        "https://example.org/a.mp3",
    ]


def test_the_still_of_a_video_post_of_2019_is_its_cover_too() -> None:
    still = "https://vpic.video.qq.com/1/a0000000001.png"
    script = f'window.cgiData = {{ cdn_url: "{still}", vid: "a0000000001" }}; var msg_desc = "词";'
    reading = read("", script, show_type=5)
    assert [medium.url for medium in (*media(reading, "cover"), *media(reading, "poster"))] == [still, still]


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ('<p>一 &amp; 二</p><img data-src="https://a/b">', '<p>一 &amp; 二</p><img data-src="https://a/b">'),
        (" <script>x</script>\n<p>字</p> ", " <script>x</script>\n<p>字</p> "),
    ],
)
def test_the_html_is_the_inside_of_the_body_exactly_as_served(body: str, html: str) -> None:
    assert read(body).html == html


def test_the_html_of_a_share_comes_from_the_pages_state_and_of_plain_text_there_is_none() -> None:
    state = {"copyright_info": {"copyright_stat": 2}, "content_noencode": "<p>全文</p>"}
    panel = '<span id="js_share_source"></span>'
    assert read("", f"window.cgiDataNew = {js(state)};", around=panel).html == "<p>全文</p>"
    words = {"text_page_info": {"content_noencode": "一 < 二\n三"}}
    assert read("<p>框</p>", f"window.cgiDataNew = {js(words)};", show_type=10).html == ""


def test_media_are_among_the_facts_of_the_page_as_json_values() -> None:
    reading = read(_tag(1))
    assert json.loads(json.dumps(reading.page["media"])) == [
        {"role": "image", "key": IMAGE.format(1), "url": IMAGE.format(1), "position": 0}
    ]


def test_a_post_has_a_bounded_number_of_media() -> None:
    reading = read("<p>字</p>" + "".join(_tag(number) for number in range(2500)))
    assert len(reading.media) == 2000
    assert len(reading.page["images"]) == 2500


def test_what_is_no_article_has_neither_media_nor_links() -> None:
    reading = read_page(page(_tag(1)).replace(b"</html>", b""))
    assert (reading.media, reading.links, reading.html, BIZ in str(reading.page)) == ((), (), "", True)

"""Where a post leads to, on synthetic pages of the shapes that real ones have."""

import json

import pytest

from archive.domain.outcomes import Relation
from tests.crawler.parse.made import BIZ, OTHER, js, links, post_url, read

ALBUM = f"https://mp.weixin.qq.com/mp/appmsgalbum?__biz={BIZ}&action=getalbum&album_id=4000000000000000001"


def _anchor(url: str, text: str = "字", more: str = "") -> str:
    return f'<a href="{url.replace("&", "&amp;")}" {more}>{text}</a>'


def test_a_link_to_a_post_keeps_its_address_with_chksm_and_tells_what_the_editor_noted() -> None:
    url = post_url(31, chksm="0a1b")
    more = 'textvalue="记下的" linktype="text" data-linktype="2" data-itemshowtype="8"'
    (link,) = links(read(f"<p>{_anchor(url, ' 一<b>二</b>  三 ', more)}</p>"), "post")
    assert (link.key, link.url, link.text) == (f"{BIZ}:31:1", url, "一二 三")
    assert link.facts == {"linktype": "text", "itemshowtype": "8"}


def test_a_short_link_is_known_by_its_token() -> None:
    (link,) = links(read(_anchor("https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv")), "post")
    assert link.key == "s/AbCdEfGhIjKlMnOpQrStUv"


def test_a_link_without_words_says_its_textvalue_or_what_its_picture_says() -> None:
    picture = '<img data-src="https://mmbiz.qpic.cn/a/b/640?wx_fmt=png" alt="图说">'
    body = _anchor(post_url(31), "", 'textvalue="记下的"') + _anchor(post_url(32), picture)
    noted, shown = links(read(body), "post")
    assert (noted.text, shown.text) == ("记下的", "图说")
    assert shown.facts["image"] == "https://mmbiz.qpic.cn/a/b/640?wx_fmt=png"


def test_a_place_linked_twice_is_told_once_where_it_was_first_with_the_longer_words() -> None:
    picture = '<img data-src="https://mmbiz.qpic.cn/a/b/640">'
    body = (
        _anchor(post_url(31), picture) + _anchor(post_url(32)) + _anchor(post_url(31, chksm="0a"), "长的题目")
    )
    first, second = links(read(body), "post")
    assert (first.key, first.text, second.key) == (f"{BIZ}:31:1", "长的题目", f"{BIZ}:32:1")
    assert "chksm=0a" in first.url
    assert first.facts["image"]


@pytest.mark.parametrize(
    "href",
    [
        "javascript:;",
        "#",
        "#part",
        "",
        "mailto:a@example.org",
        "tel:12345",
        "www.example.org",
        "http://[bad",
        "ftp://a/b",
    ],
)
def test_what_leads_nowhere_is_no_link(href: str) -> None:
    assert read(f'<p><a href="{href}">字</a><a name="x">字</a></p>').links == ()


def test_other_pages_are_told_with_their_address_as_written() -> None:
    url = "https://www.example.org/a?region=sh&copy=2&lang=zh"
    body = (
        f'<p><a href="{url}">甲</a><a href="//example.org/b">乙</a><a href="/mp/profile_ext?x=1">丙</a></p>'
    )
    found = [link.url for link in links(read(body), "web")]
    assert found == [url, "https://example.org/b", "https://mp.weixin.qq.com/mp/profile_ext?x=1"]


def test_an_address_that_looks_like_a_posts_and_is_none_is_a_page() -> None:
    (link,) = links(read(_anchor("https://mp.weixin.qq.com/s?src=11&timestamp=1&signature=x")), "web")
    assert link.key == link.url


def test_addresses_no_index_can_hold_are_left_out() -> None:
    assert read(_anchor("https://example.org/" + "a" * 2000)).links == ()


def test_topics_are_known_by_their_words_because_their_ids_are_made_anew_each_time() -> None:
    topic = '<a class="wx_topic_link" topic-id="{}" style="color:#576B95" data-topic="1">#{}</a>'
    body = "".join(topic.format(*one) for one in (("m1-a", "合成"), ("m2-b", "合成"), ("m3-c", "别的")))
    first, second = links(read(f"<p>{body}</p>"), "topic")
    assert (first.key, first.text, first.facts) == ("合成", "#合成", {"topic_id": "m1-a"})
    assert second.key == "别的"


@pytest.mark.parametrize(
    "markup",
    [
        '<a class="weapp_text_link" data-miniprogram-appid="wx01" data-miniprogram-path="p/i?a=1&amp;b=2" '
        'data-miniprogram-nickname="程序" data-miniprogram-type="text" href="">字</a>',
        '<a data-miniprogram-appid="wx01" data-miniprogram-path="p/i?a=1&amp;b=2" href=""><img alt="字" '
        'data-src="https://mmbiz.qpic.cn/a/b/0"></a>',
        '<mp-common-miniprogram data-miniprogram-appid="wx01" data-miniprogram-path="p/i?a=1&amp;b=2" '
        'data-miniprogram-title="字" data-miniprogram-type="card"></mp-common-miniprogram>',
        '<mp-miniprogram data-miniprogram-appid="wx01" data-miniprogram-path="p/i?a=1&amp;b=2" '
        'data-miniprogram-title="字"></mp-miniprogram>',
        '<iframe class="weapp_app_iframe" data-miniprogram-appid="wx01" data-miniprogram-title="字" '
        'data-miniprogram-path="p/i?a=1&amp;b=2"></iframe>',
    ],
)  # fmt: skip
def test_mini_programs_as_words_pictures_and_cards_of_every_year(markup: str) -> None:
    (link,) = links(read(f"<p>x{markup}</p>"), "mini_program")
    assert (link.key, link.text, link.url) == ("wx01:p/i?a=1&b=2", "字", "")
    assert link.facts["appid"] == "wx01"


@pytest.mark.parametrize("name", ["mp-common-profile", "mpprofile"])
def test_cards_of_accounts(name: str) -> None:
    card = (
        f'<{name} data-id="{OTHER}" data-nickname="别号" data-alias="other" data-signature="一句话"></{name}>'
    )
    (link,) = links(read(f"<p>x</p>{card}"), "account")
    assert (link.key, link.text, link.url) == (OTHER, "别号", "")
    assert link.facts == {"alias": "other", "signature": "一句话"}


ALBUM_STATE = {
    "album_id": "4000000000000000001",
    "title": "专辑",
    "link": ALBUM,
    "content_size": 7,
    "pre_article_link": post_url(20, chksm="0a0a"),
    "pre_article_title": "前一篇",
    "next_article_link": post_url(22, chksm="0b0b"),
    "next_article_title": "后一篇",
}


def _new_template() -> str:
    return f"window.cgiDataNew = {js({'appmsgalbuminfo': ALBUM_STATE})};"


def _old_template() -> str:
    listed = js({"title": "专辑", "link": ALBUM, "albumId": ALBUM_STATE["album_id"]})
    return f"var album_info_list = [{listed}]; var album_keep_read_info = {js(ALBUM_STATE)};"


@pytest.mark.parametrize("script", [_new_template(), _old_template()], ids=["since 2025-11", "before"])
def test_the_album_and_the_posts_before_and_after_in_it(script: str) -> None:
    reading = read(script=script)
    (album,) = links(reading, "album")
    (before,), (after,) = links(reading, "previous"), links(reading, "next")
    assert (album.key, album.text, album.url) == ("4000000000000000001", "专辑", ALBUM)
    assert (before.key, before.text, before.url) == (f"{BIZ}:20:1", "前一篇", post_url(20, chksm="0a0a"))
    assert (after.key, after.text, after.url) == (f"{BIZ}:22:1", "后一篇", post_url(22, chksm="0b0b"))


def test_albums_as_tags_below_the_body_and_as_links_in_it() -> None:
    tag = (
        f'<div class="article-tag__item-wrp js_tag" data-url="{ALBUM.replace("&", "&amp;")}" role="link">'
        '<span class="article-tag__item">#标签</span> <span class="article-tag__item-num">38个</span></div>'
    )
    other = ALBUM.replace("0001", "0002")
    first, second = links(read(_anchor(other, "别的专辑"), around=tag), "album")
    assert (first.key[-4:], first.text, first.facts) == ("0001", "标签", {})
    assert (second.key[-4:], second.text, second.facts) == ("0002", "别的专辑", {"in_body": True})


def test_the_source_below_a_post_also_where_it_is_a_post() -> None:
    (link,) = links(
        read(script=r"var msg_source_url = 'https://example.org/a?b=1\x26amp;region=2';"), "source"
    )
    assert (link.url, link.facts) == ("https://example.org/a?b=1&region=2", {})
    reading = read(script=f"window.cgiDataNew = {js({'source_url': post_url(5)})};")
    (link,) = links(reading, "source")
    assert (link.key, link.facts) == (post_url(5), {"post": f"{BIZ}:5:1"})


SHARED = {"copyright_stat": 2, "platform": "别号", "source_username": "gh_0", "source_encode_biz": OTHER,
          "source_mid": 41, "source_idx": 1}  # fmt: skip


def test_the_post_that_a_share_shows() -> None:
    url = post_url(41, biz=OTHER.replace("=", "%3D"))
    state = {"copyright_info": {**SHARED, "reprint_url": url}, "content_noencode": "<p>全文</p>"}
    panel = '<span id="js_share_source"></span>'
    (link,) = links(read("", f"window.cgiDataNew = {js(state)};", around=panel), "reprint")
    assert (link.key, link.url) == (f"{OTHER}:41:1", url)
    assert link.facts == {"account": "别号", "user_name": "gh_0"}


def test_the_post_that_a_share_shows_where_only_the_page_or_only_its_ids_tell() -> None:
    address = post_url(42).replace("&", "&amp;")
    span = f'<span data-url="{address}" class="weui-link" id="js_share_source"></span>'
    (link,) = links(read(script='var _copyright_stat = "2";', around=span), "reprint")
    assert link.key == f"{BIZ}:42:1"
    (link,) = links(read(script=f"window.cgiDataNew = {js({'copyright_info': SHARED})};"), "reprint")
    assert (link.key, link.url) == (f"{OTHER}:41:1", "")


def test_links_in_the_words_of_text_posts_and_picture_posts() -> None:
    words = f'一<a class="wx_topic_link" topic-id="m-1">#话题</a>\n二{_anchor(post_url(31), "三")}' \
            '<a class="wx_img_refer_link" data-seq="1">图1</a>'  # fmt: skip
    text = f"window.cgiDataNew = {js({'text_page_info': {'content_noencode': words}})};"
    pictures = [{"cdn_url": "https://mmbiz.qpic.cn/a/b/0", "width": 2, "height": 3}]
    picture = f"window.cgiDataNew = {js({'picture_page_info_list': pictures, 'content_noencode': words})};"
    for show_type, script in ((10, text), (8, picture)):
        reading = read("", script, show_type=show_type)
        assert [(link.relation, link.text) for link in reading.links] == [("topic", "#话题"), ("post", "三")]
        assert reading.html == ""


def test_titles_of_linked_posts_come_from_the_pages_own_list() -> None:
    listed = [{"title": "真题目", "subject_name": "别号", "url": post_url(mid)} for mid in (31, 33)]
    reading = read(_anchor(post_url(31), "点这里"), f"window.cgiDataNew = {js({'ainfos': listed})};")
    first, second = links(reading, "post")
    assert (first.text, first.facts) == ("点这里", {"title": "真题目", "account": "别号"})
    assert second.key == f"{BIZ}:33:1"


def test_a_post_has_a_bounded_number_of_links_of_bounded_length() -> None:
    reading = read("".join(_anchor(f"https://example.org/{number}", "字" * 1500) for number in range(2500)))
    assert len(reading.links) == 2000
    assert max(len(link.text) for link in reading.links) == 1000


def test_a_link_that_is_never_closed_holds_the_words_up_to_the_next() -> None:
    first, second = links(
        read(f'<p><a href="{post_url(31)}">一<p>二</p><a href="{post_url(32)}">三</p>'), "post"
    )
    assert (first.text, second.text) == ("一二", "三")


def test_links_are_among_the_facts_of_the_page_as_json_values() -> None:
    reading = read(_anchor(post_url(31, chksm="0a"), "字"))
    assert json.loads(json.dumps(reading.page["links"])) == [
        {
            "relation": "post",
            "key": f"{BIZ}:31:1",
            "url": post_url(31, chksm="0a"),
            "position": 0,
            "text": "字",
        }
    ]


def test_no_link_has_an_empty_key() -> None:
    body = (
        '<a data-miniprogram-appid=" ">x</a><mp-common-profile data-id=" "></mp-common-profile>'
        '<a class="wx_topic_link">#</a><p>字</p>'
    )
    assert read(body).links == ()
    assert len(Relation) == 10  # a new one needs a test here

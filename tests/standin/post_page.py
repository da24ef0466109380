"""The page of one post, for every kind, in the shape the server gives it in 2025 and 2026."""

import base64

from archive.domain.outcomes import Kind
from tests.standin import media
from tests.standin.account import NEIGHBOUR, Account, Post, Video
from tests.standin.skeleton import encoded, fill, js, weigh

SERVED_AT = 1_794_000_000  # `svr_time`, fixed: the same page is the same bytes every time
COVER = "https://mmbiz.qpic.cn/mmbiz_jpg/synthetic_cover/0?wx_fmt=jpeg"
_SHOW_TYPES = {Kind.AUDIO: "7", Kind.PICTURE: "8", Kind.TEXT: "10"}


def render(post: Post, weight: int) -> list[bytes]:
    """Return the page in parts, with about `weight` bytes of script."""
    if post.kind in (Kind.ARTICLE, Kind.SHARE):
        page = _article(post)
    elif post.kind is Kind.VIDEO:
        page = fill("video.html", **_values(post), html_method=fill("html_method.js"))
    else:
        page = _common_share(post)
    return weigh(page, weight)


def _values(post: Post) -> dict[str, object]:
    link = post.url.replace("http:", "https:", 1)
    return {
        **_named(post.account),
        **{name: getattr(post, name) for name in ("mid", "idx", "sn", "local_time", "short_url")},
        **_written("title", post.shown_title),
        **_written("digest", post.digest),
        **_written("author", post.author),
        "link_attr": encoded(link),
        "link_js": js(encoded(link)),
        "source_url_js": js(encoded(post.source_url)),
        "ct": post.timestamp,
        "local_date": post.local_time[:10],
        "svr_time": SERVED_AT,
        "cover": COVER,
        "comment_id": 4_000_000_000_000_000_000 + post.mid,
        "copyright_stat": _copyright_stat(post),
        "vid": f"synth{post.mid % 100000:05d}v",
        "album_items": _album_items(post),
        "video_lines": _video_lines(post),
    }


def _named(account: Account) -> dict[str, object]:
    return {
        "biz": account.biz,
        "user_name": account.user_name,
        "alias": account.alias,
        **_written("nickname", account.nickname),
        **_written("signature", account.signature),
    }


def _written(name: str, text: str) -> dict[str, object]:
    plain = encoded(text)
    return {f"{name}_text": plain, f"{name}_attr": plain.replace("\n", r"\n"), f"{name}_js": js(plain)}


def _copyright_stat(post: Post) -> int:
    return 2 if post.source else int(post.original)


def _article(post: Post) -> str:
    values = _values(post)
    return fill(
        "article.html",
        **values,
        head=fill("head.html", **values),
        cgidata=_cgidata(post, values, show_type="0", cgi_type="9"),
        html_method=fill("html_method.js"),
        original_mark='<span id="copyright_logo" class="wx_tap_link">原创</span>' if post.original else "",
        body_container=_body_container(post),
        source_biz=post.source.biz if post.source else "",
    )


def _body_container(post: Post) -> str:
    if post.body_in_page:
        style = 'style="visibility: hidden; opacity: 0; "'
        return (
            '<div class="rich_media_content js_underline_content\n" '
            f'id="js_content" {style}>{post.body}</div>'
        )
    source = post.source or NEIGHBOUR
    return fill(
        "share_panel.html",
        source_name=encoded(source.nickname),
        title_text=encoded(post.title),
        source_link_attr=encoded(f"http://mp.weixin.qq.com/s?__biz={source.biz}&mid=1&idx=1&sn={post.sn}"),
    )


def _cgidata(post: Post, values: dict[str, object], *, show_type: str, cgi_type: str) -> str:
    return fill(
        "cgidata.html",
        **values,
        item_show_type=show_type,
        cgi_type=cgi_type,
        content_entry=_content_entry(post),
        copyright_entries=_copyright_entries(post),
        album_entries=_album_entries(post),
        pictures=_pictures(post),
        text_entries=_text_entries(post),
    )


def _content_entry(post: Post) -> str:
    if post.kind is Kind.AUDIO:
        return ""
    return f"content_noencode: JsDecode('{js(_content(post))}'),"


def _content(post: Post) -> str:
    """Plain words carry entities in a script value, a body of HTML has its own."""
    return post.body if post.kind in (Kind.ARTICLE, Kind.SHARE) else encoded(post.body)


def _copyright_entries(post: Post) -> str:
    if post.source is None:
        return ""
    return (
        f"source_username: JsDecode('{post.source.user_name}'), "
        f"source_encode_biz: JsDecode('{post.source.biz}'), source_mid: '1' * 1, source_idx: '1' * 1,"
    )


def _album_link(post: Post) -> str:
    biz = post.account.biz
    return f"https://mp.weixin.qq.com/mp/appmsgalbum?__biz={biz}&action=getalbum&album_id={post.album}"


def _album_entries(post: Post) -> str:
    if not post.album:
        return ""
    link = js(encoded(_album_link(post)))
    return (
        f"album_id: JsDecode('{post.album}'), title: JsDecode('合成合集'), "
        f"link: JsDecode('{link}'), content_size: '9' * 1,"
    ) + "".join(
        f" {near.side}_article_link: JsDecode('{js(encoded(near.url))}'),"
        f" {near.side}_article_title: JsDecode('{js(encoded(near.title))}'),"
        for near in post.neighbours
    )


def _video_lines(post: Post) -> str:
    if not post.videos:
        return ""
    return f"    var videoPageInfos = [\n{''.join(map(_video, post.videos))}    ];\n"


def _video(video: Video) -> str:
    """One entry of the list, its best form first."""
    forms = "".join(
        f"{{ format_id: '{form}' * 1, url: '{js(encoded(video.url(f'f{form}')))}', "
        f"filesize: '{len(media.video(f'synthetic_{video.id}', form))}' * 1, "
        f"duration_ms: '{video.seconds * 1000}' * 1, width: '{width}' * 1, height: '{width * 9 // 16}' * 1, "
        f"video_quality_level: '{level}' * 1, video_quality_wording: '{words}' }},\n"
        for form, width, level, words in ((10002, 1280, 3, "超清"), (10004, 640, 1, "流畅"))
    )
    return (
        f"        {{ video_id: 'wxv_{video.id}', cover_url: '{js(encoded(video.poster))}', "
        f"mp_video_trans_info: [ {forms} ] }},\n"
    )


def _album_items(post: Post) -> str:
    if not post.album:
        return ""
    link = js(encoded(_album_link(post)))
    return (
        f"{{ title: '合成合集', size: '9' * 1, link: '{link}', type: '0' * 1, "
        f"albumId: '{post.album}', id: '{link}' ? '{post.album}' : '', continousReadOn: '1' * 1 }},"
    )


def _pictures(post: Post) -> str:
    return "".join(
        f"{{ cdn_url: '{js(encoded(picture.url))}', width: '{picture.width}' * 1, "
        f"height: '{picture.height}' * 1, theme_color: 'rgb(1,2,3)', "
        "live_photo: { vid: '', format_info: [ ] }, "
        "watermark_info: { cdn_url: 'http://mmbiz.qpic.cn/mmbiz_png/synthetic_watermark/0' }, "
        "share_cover: { cdn_url: 'https://mmbiz.qpic.cn/mmbiz_jpg/synthetic_share_cover/0' }, },\n"
        for picture in post.pictures
    )


def _text_entries(post: Post) -> str:
    if post.kind is not Kind.TEXT:
        return ""
    words = js(_content(post))
    return (
        f"content: JsDecode('{words}'), content_noencode: JsDecode('{words}'), "
        f"is_user_title: '{int(post.own_title)}' * 1, picture_info: [ ], short_msg_pic_url: [ ],"
    )


def _common_share(post: Post) -> str:
    values = {**_values(post), "item_show_type": _SHOW_TYPES[post.kind]}
    form = post.kind.value
    drawn = base64.b64encode(post.body.encode()).decode()
    cgidata = {name: value for name, value in values.items() if name != "item_show_type"}
    return fill(
        "common_share.html",
        **values,
        head=fill("head.html", **values),
        cgidata=_cgidata(post, cgidata, show_type=_SHOW_TYPES[post.kind], cgi_type="10002"),
        html_method=fill("html_method.js"),
        shell=fill(f"shell_{form}.html", **values),
        is_user_title=int(post.own_title),
        media_lines=_media_lines(post),
        drawing=fill(f"draw_{form}.js", drawn_base64=drawn),
    )


def _media_lines(post: Post) -> str:
    if post.kind is Kind.PICTURE:
        words = js(encoded(post.body))
        return f'window.desc = "{words}";\n    window.picture_page_info_list = [\n{_pictures(post)}];'
    if post.kind is Kind.AUDIO:
        return f"window.voiceid = 'synthetic_voice_{post.mid}';\n    window.duration = '{post.seconds}' * 1;"
    return ""

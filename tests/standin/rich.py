"""One invented article that shows and links to everything an article can."""

from archive.domain.outcomes import Kind
from tests.standin.account import NEIGHBOUR, Neighbour, Post, Video, at
from tests.standin.skeleton import encoded

_CDN = "https://mmbiz.qpic.cn"
_IMAGE = (
    '<p style="text-align:center;"><img class="rich_pages wxw-img" data-ratio="0.6667" data-w="1080" {}></p>'
)
VIDEO = Video("rich")
VOICE = "synthetic_voice_rich"
TOPIC, APPID = "3900000000000000777", "wx5f00d00000000001"
# As shown: another post's picture at its very address, one at another size, one without a scheme, a drawing.
SHOWN = (
    f"{_CDN}/mmbiz_jpg/synthetic_101/640?wx_fmt=jpeg",
    f"{_CDN}/mmbiz_jpg/synthetic_108/0?wx_fmt=jpeg&from=appmsg",
    f"{_CDN}/mmbiz_gif/synthetic_rich_gif/640?wx_fmt=gif",
    f"{_CDN}/mmbiz_svg/synthetic_rich_svg/0?wx_fmt=svg",
)
BACKGROUND = f"{_CDN}/mmbiz_png/synthetic_rich_background/0?wx_fmt=png"


def rich_post(linked: Post, album: str, before: Post, after: Post) -> Post:
    """Return the article; it links to one post and is in an album between two."""
    return Post(
        "article-with-everything", Kind.ARTICLE, 2650000111, "合成：一篇什么都有的文章",
        _body(linked), at("2025-11-13 08:00"), source_url="https://www.example.com/original?id=2",
        album=album, videos=(VIDEO,), neighbours=(
            Neighbour("pre", before.title, before.url.replace("http:", "https:")),
            Neighbour("next", after.title, after.url.replace("http:", "https:")),
        ),
    )  # fmt: skip


def _body(linked: Post) -> str:
    return "\n".join((
        "<p>（合成）第一段，之后是几张不存在的图片。</p>",
        _IMAGE.format(f'data-src="{encoded(SHOWN[0])}" data-type="jpeg" alt="图一"'),
        _IMAGE.format(f'data-src="{encoded(SHOWN[1])}" data-type="jpeg"'),
        _IMAGE.format(f'data-src="{encoded(SHOWN[2].removeprefix("https:"))}" data-type="gif"'),
        _IMAGE.format(f'data-src="{encoded(SHOWN[3])}" data-type="svg"'),
        f'<section style="background-image: url(&quot;{encoded(BACKGROUND)}&quot;);background-size: cover;">'
        "<p>（合成）底图上的文字。</p></section>",
        f'<p><iframe class="video_iframe rich_pages" data-vidtype="2" data-mpvid="wxv_{VIDEO.id}" '
        f'data-cover="{encoded(VIDEO.poster)}" data-ratio="1.7777" data-w="1280"></iframe></p>',
        f'<p><mp-common-mpaudio class="js_uneditable custom_select_card mp_audio_iframe" '
        f'voice_encode_fileid="{VOICE}" name="合成录音" author="虚构的主持人" play_length="66000">'
        "</mp-common-mpaudio></p>",
        _links(linked),
    ))  # fmt: skip


def _links(linked: Post) -> str:
    bare = encoded(
        f"{linked.bare_url.replace('http:', 'https:').removesuffix('#rd')}&scene=21#wechat_redirect"
    )
    return (
        f'<p>相关：<a class="normal_text_link" target="_blank" href="{bare}" textvalue="合成的旧文" '
        f'data-itemshowtype="0" linktype="text" data-linktype="2">合成的旧文</a>；'
        f'<a class="wx_topic_link" topic-id="{TOPIC}" data-topic="1">#合成话题</a>；'
        '<a href="https://www.example.com/far?x=1&amp;y=2">远处的网页</a>。</p>'
        f'<p><a class="weapp_text_link" data-miniprogram-type="text" data-miniprogram-appid="{APPID}" '
        'data-miniprogram-path="pages/index?id=1" data-miniprogram-nickname="合成小程序" '
        'href="">打开小程序</a></p>'
        f'<p><mp-common-profile class="js_uneditable custom_select_card mp_profile_iframe" '
        f'data-id="{NEIGHBOUR.biz}" data-nickname="{NEIGHBOUR.nickname}" data-alias="{NEIGHBOUR.alias}" '
        f'data-signature="{NEIGHBOUR.signature}">'
        "</mp-common-profile></p>"
    )

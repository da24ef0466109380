"""Invented posts of the invented commission, one or more of every kind. Every sentence is synthetic."""

from archive.domain.outcomes import Kind
from tests.standin.account import NEIGHBOUR, Picture, Post, at
from tests.standin.rich import rich_post

ALBUM = "3900000000000000001"
_SUBJECTS = ("数字转型", "绿色制造", "中小企业服务", "工业互联网", "新型储能", "船舶配套", "智能网联")
_VERBS = ("启动", "评估", "公示", "推进", "总结")


def paragraphs(seed: int, count: int) -> list[str]:
    """Invented sentences in an official tone, always the same for the same seed."""
    return [
        f"（合成文字{seed}-{number + 1}）云屿市虚构的{_SUBJECTS[(seed + number) % len(_SUBJECTS)]}专项工作"
        f"{_VERBS[(seed * 3 + number) % len(_VERBS)]}会在一间并不存在的会议室举行，"
        f"共{seed + number * 7 + 3}家虚构企业参加，编号为{seed * 131 + number:05d}的材料仅用于测试。"
        for number in range(count)
    ]


def body_html(words: list[str], picture: int = 0) -> str:
    """Return a body as editors write them: nested sections and spans, a picture, entities, white space."""
    served = "\n".join(
        f'<p style="line-height: 1.75em;margin-bottom: 16px;"><span style="font-size: 15px">{line}</span></p>'
        for line in words
    )
    shown = (
        f'<p style="text-align:center;"><img class="rich_pages wxw-img" data-ratio="0.6667" data-type="jpeg" '
        f'data-src="https://mmbiz.qpic.cn/mmbiz_jpg/synthetic_{picture}/640?wx_fmt=jpeg" data-w="1080"></p>'
        if picture
        else ""
    )
    tail = '<p style="display: none;"><mp-style-type data-value="3"></mp-style-type></p>'
    return f'\n  <section data-tool="synthetic" style="padding: 0 8px;">{served}{shown}</section>\n  {tail}  '


_TRAPS = [
    "本文讨论变量声明 var total = 1; 之后的文字不可丢失，ASCII 逗号, 也不可丢失。",
    "读者反馈页面曾显示“该内容已被发布者删除”“此内容因违规无法查看”“环境异常”，均为引用。",
    "企业A&amp;企业B&nbsp;签约，占比 &lt;&nbsp;5&nbsp;%&nbsp;；编号：\u3000\u00a0甲一\u3000。",
]

_PLAIN: tuple[Post, ...] = (
    Post(
        "article", Kind.ARTICLE, 2650000101, "云屿市虚构的制造业数字化转型方案发布, 全文来了",
        body_html(paragraphs(1, 12), picture=101), at("2025-11-07 08:31"),
        digest="合成摘要：方案共十二条。", source_url="https://www.example.com/notice?id=1&kind=2",
        original=True, album=ALBUM,
    ),
    Post(
        "article-with-traps", Kind.ARTICLE, 2650000101,
        "var 与“引号”、'单引号'、A&B 和 <标签>：一个难读的标题",
        body_html(_TRAPS + paragraphs(2, 6))
        + '<style>.x{color:red}</style><script>var inBody = "</p>";</script>',
        at("2025-11-07 08:31"), idx=2, album=ALBUM,
    ),
    Post(
        "article-at-midnight", Kind.ARTICLE, 2650000102, "合成公告：零点刚过时发布",
        body_html(paragraphs(3, 4)), at("2025-11-08 00:05"), album=ALBUM,
    ),
    Post(
        "article-of-pictures", Kind.ARTICLE, 2650000103, "一图读懂（合成）",
        body_html([], picture=103), at("2025-11-09 17:00"),
    ),
    Post(
        "picture", Kind.PICTURE, 2650000104, "合成图集：不存在的产业园",
        "第一行：园区全景（虚构）。\n第二行：设备 A&B，价格<5元。\n\n最后一行。", at("2025-11-10 10:20"),
        digest="第一行：园区全景（虚构）。",
        pictures=tuple(
            Picture(f"https://mmbiz.qpic.cn/mmbiz_png/synthetic_104_{number}/0?wx_fmt=png&from=appmsg")
            for number in range(3)
        ),
    ),
    Post(
        "text", Kind.TEXT, 2650000105, "合成短讯：明日停水",
        "各位虚构的读者：\n明日八时至十时停水。\n请提前储水，谢谢！", at("2025-11-10 18:00"),
    ),
    Post(
        "text-without-title", Kind.TEXT, 2650000106, "", "合成的一句话，没有标题。\n第二句仍是正文。",
        at("2025-11-11 09:00"), own_title=False,
    ),
    Post(
        "share", Kind.SHARE, 2650000107, "转发：海梁市虚构的产业图谱",
        body_html(paragraphs(4, 9)), at("2025-11-11 12:30"), source=NEIGHBOUR, body_in_page=False,
    ),
    Post(
        "reprint", Kind.SHARE, 2650000108, "转载：海梁市虚构的经验交流",
        body_html(paragraphs(5, 7), picture=108), at("2025-11-12 08:00"), source=NEIGHBOUR,
    ),
    Post(
        "video", Kind.VIDEO, 2650000109, "合成视频：三十秒看懂不存在的政策", "", at("2019-05-17 16:40"),
        digest="合成的视频说明。", seconds=30,
    ),
    Post(
        "audio", Kind.AUDIO, 2650000110, "合成音频：听一段不存在的播报",
        "本期播报由虚构的主持人朗读。\n全文共两段，仅由脚本画出。", at("2025-11-12 19:00"), seconds=95,
    ),
)  # fmt: skip

RICH = rich_post(linked=_PLAIN[3], album="3900000000000000003", before=_PLAIN[2], after=_PLAIN[0])
POSTS = (*_PLAIN, RICH)

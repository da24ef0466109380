"""A published week of the invented commission: thirteen posts in six pushes, and three visits to it.

Visit 1 meets a challenge at one post and stops there. Visit 2 finds that it has cleared. Before visit 3
one post was edited and one was deleted. Everything is synthetic.
"""

from collections.abc import Mapping
from dataclasses import replace

from archive.domain.outcomes import Kind
from tests.standin.account import NEIGHBOUR, Picture, Post, at
from tests.standin.pages import Shown
from tests.standin.posts import body_html, paragraphs
from tests.standin.site import Site

ALBUM = "3900000000000000002"
EDITED, DELETED, CHALLENGED = "week-edited", "week-deleted", "week-challenged"
VISITS = (1, 2, 3)


def _article(name: str, mid: int, idx: int, title: str, when: str, *, seed: int) -> Post:
    body = body_html(paragraphs(seed, 6 + seed % 4), picture=mid + idx)
    return Post(name, Kind.ARTICLE, mid, title, body, at(when), idx=idx, album=ALBUM)


def _pictures(mid: int) -> tuple[Picture, ...]:
    return tuple(
        Picture(f"https://mmbiz.qpic.cn/mmbiz_jpg/synthetic_{mid}_{n}/0?wx_fmt=jpeg") for n in range(4)
    )


WEEK: tuple[Post, ...] = (
    _article("week-plan", 2650001001, 1, "合成：云屿市虚构产业计划（2025版）", "2025-11-17 08:30", seed=11),
    _article("week-list", 2650001001, 2, "合成：第三批虚构“专精特新”名单公示", "2025-11-17 08:30", seed=12),
    _article(EDITED, 2650001001, 3, "合成：申报截止日期的通知", "2025-11-17 08:30", seed=13),
    _article("week-visit", 2650001002, 1, "合成：调研不存在的船舶配套园, 现场", "2025-11-18 17:05", seed=14),
    Post(
        "week-picture", Kind.PICTURE, 2650001002, "合成图集：虚构的工业夜景",
        "四张不存在的照片。\n摄影：虚构者", at("2025-11-18 17:05"), idx=2, pictures=_pictures(1002),
    ),
    Post(
        "week-text", Kind.TEXT, 2650001003, "合成短讯：系统维护",
        "本系统（虚构）今晚维护。\n恢复时间：次日六时。", at("2025-11-19 12:00"),
    ),
    Post(
        "week-share", Kind.SHARE, 2650001003, "转发合成：海梁市的虚构做法",
        body_html(paragraphs(15, 5)), at("2025-11-19 12:00"), idx=2, source=NEIGHBOUR, body_in_page=False,
    ),
    _article(DELETED, 2650001004, 1, "合成：一份后来撤下的通知", "2025-11-20 09:10", seed=16),
    _article("week-energy", 2650001004, 2, "合成：新型储能虚构项目开工", "2025-11-20 09:10", seed=17),
    Post(
        "week-audio", Kind.AUDIO, 2650001005, "合成音频：一周虚构播报",
        "欢迎收听虚构的一周播报。\n本段文字只由脚本画出。", at("2025-11-21 18:20"), seconds=88,
    ),
    _article("week-reply", 2650001005, 2, "合成：来信答复（虚构）", "2025-11-21 18:20", seed=18),
    _article("week-digest", 2650001006, 1, "合成：一周要闻（全部虚构）", "2025-11-23 00:01", seed=19),
    # The last one, so that it is no matter of milliseconds which requests still go out before the stop.
    _article(CHALLENGED, 2650001006, 2, "合成：周日发布的会议预告", "2025-11-23 00:01", seed=20),
)  # fmt: skip

STATES: Mapping[int, Mapping[str, str]] = {1: {}, 2: {}, 3: {EDITED: "edited", DELETED: "deleted"}}


def edited(post: Post) -> Post:
    """Return the post as its author changed it later: another sentence, the same ids and time."""
    return replace(post, body=post.body + "<p>（合成更正）截止日期延后七日。</p>")


def publish_week(site: Site) -> None:
    """Put the week on a site."""
    for post in WEEK:
        variants = {"edited": Shown(edited(post))} if post.name == EDITED else {}
        site.add(Shown(post), **variants)


def address_list() -> str:
    """Return the week's addresses, one per line, as `mparchive backfill` and the spider read them."""
    return "".join(f"{post.url}\n" for post in WEEK)

"""The pages that hold no post: taken down, refused, expired, a challenge."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

from archive.domain.outcomes import Outcome
from tests.standin.account import COMMISSION
from tests.standin.skeleton import fill, weigh

NOTICE_WEIGHT = 36_000  # bytes of script; real notices have some 38 kB
MOVED_TO = f"https://mp.weixin.qq.com/s?__biz={COMMISSION.biz}&mid=2650000101&idx=1&sn={'0' * 32}"
_REPORTED = "由用户投诉并经平台审核，涉嫌违反相关法律法规和政策，查看对应规则"


@dataclass(frozen=True)
class NoticePage:
    """One such page and what it is."""

    outcome: Outcome
    render: Callable[[], list[bytes]]
    needs_browser: bool = False


def _notice(
    sentence: str,
    *,
    lang: str = "zh_CN",
    element: str = '<div class="weui-msg__title warn">{}</div>',
    detail: str = "",
    body_class: str = "",
    script: str = "",
) -> Callable[[], list[bytes]]:
    def render() -> list[bytes]:
        page = fill(
            "notice.html",
            lang=lang,
            title_element=element.format(sentence),
            description=f'<div class="weui-msg__desc"><p class="tips">{detail}</p></div>' if detail else "",
            body_class=body_class,
            extra_script=script,
        )
        return weigh(page, NOTICE_WEIGHT)

    return render


def verification(target: str = "", serial: int = 1) -> list[bytes]:
    """Return the verification page of 2026: 17 kB, no visible text. `target` is the refused address."""
    rules = "".join(f".synthetic-{number}{{color:rgb({number % 256},0,0)}}\n" for number in range(482))
    return [fill("verify.html", target=target, serial=serial, filler=rules).encode()]


def _verification_in_words() -> list[bytes]:
    return weigh(fill("verify_text.html"), 1_500_000)


def _cannot_view() -> list[bytes]:
    bare = len(fill("cannot_view.html", filler="").encode())
    return [fill("cannot_view.html", filler="-" * (934 - bare)).encode()]


def _private() -> list[bytes]:
    words = base64.b64encode("根据作者隐私设置，无法查看该内容".encode()).decode()
    return weigh(fill("private.html", drawn_base64=words), 14_000)


_HEADING = '<h2 class="weui-msg__title title">{}</h2>'
_MOVED = f"var transferTargetLink = '{MOVED_TO.replace('&', chr(92) + 'x26amp;')}';"

NOTICES: dict[str, NoticePage] = {
    "deleted": NoticePage(Outcome.DELETED, _notice("该内容已被发布者删除")),
    "deleted-english": NoticePage(
        Outcome.DELETED, _notice("The content has been deleted by the author.", lang="en")
    ),
    "violation": NoticePage(
        Outcome.VIOLATION, _notice("此内容因违规无法查看", element=_HEADING, detail=_REPORTED)
    ),
    "infringement": NoticePage(Outcome.VIOLATION, _notice("此内容被投诉且经审核涉嫌侵权，无法查看")),
    "impersonation": NoticePage(Outcome.VIOLATION, _notice("此内容已被投诉", detail="投诉类型：冒名侵权")),
    "rumour": NoticePage(Outcome.VIOLATION, _notice("此内容被鉴定为谣言，无法查看", body_class="page_rumor")),
    "unavailable": NoticePage(Outcome.UNAVAILABLE, _cannot_view),
    "send-failure": NoticePage(Outcome.UNAVAILABLE, _notice("此内容发送失败无法查看")),
    "account-blocked": NoticePage(Outcome.UNAVAILABLE, _notice("此帐号已被屏蔽, 内容无法查看")),
    "account-closed": NoticePage(Outcome.UNAVAILABLE, _notice("此帐号已自主注销，内容无法查看")),
    "expired-link": NoticePage(
        Outcome.EXPIRED_LINK, _notice("链接已过期", element='<h2 class="weui-msg__title">{}</h2>')
    ),
    "frequency": NoticePage(Outcome.RATE_LIMITED, lambda: weigh(fill("frequency.html"), 9_000)),
    "verification": NoticePage(Outcome.VERIFICATION, verification),
    "verification-in-words": NoticePage(Outcome.VERIFICATION, _verification_in_words),
    "bad-request": NoticePage(Outcome.BAD_REQUEST, _notice("参数错误")),
    "migrated": NoticePage(Outcome.MIGRATED, _notice("该公众号已迁移", script=_MOVED)),
    "private": NoticePage(Outcome.PRIVATE, _private, needs_browser=True),
}

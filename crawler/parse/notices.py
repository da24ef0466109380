"""Say what a page is that holds no post: taken down, refused, expired, a challenge.

Sentences are looked for only in what such a page *shows*, never in its scripts, and only after it is clear
that no post is there: genuine posts quote all of these sentences.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from archive.domain.outcomes import Outcome

CHALLENGE_PATH = "/mp/wappoc_appmsgcaptcha"

_CHALLENGE_MID = "secitptpage/verify.html"

MAX_NOTICE = 600  # characters; real notices have under 200, and a page of more words is something else

MAX_URL = 8192  # characters; longer ones are no address of WeChat's

_MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """What a page without a post turned out to be, and the words it says so with."""

    outcome: Outcome
    reason: str


# In this order: the first sentence found decides. English wording is what LANG=en gets.
_SENTENCES: dict[Outcome, tuple[str, ...]] = {
    Outcome.VERIFICATION: (
        "环境异常|去验证|完成验证后即可继续访问",
        "environment is abnormal|complete the verification",
    ),
    Outcome.RATE_LIMITED: (
        "访问过于频繁|操作(?:过于)?频繁|请求过于频繁",
        "too frequent|freq(?:uency)? control",
    ),
    Outcome.PRIVATE: ("根据作者隐私设置", "author'?s privacy settings"),
    Outcome.MIGRATED: (
        "公众号已迁移|[帐账]号已迁移|原[帐账]号迁移时|处于[帐账]号迁移流程",
        "account (?:has been|was) migrated",
    ),
    Outcome.DELETED: (
        "已被发布者(?:主动)?删除|已被作者删除",
        "deleted by (?:the|its) (?:author|publisher)",
    ),
    Outcome.VIOLATION: (
        "因违规|违反.{0,40}(?:规定|规则|协议)|涉嫌.{0,20}(?:侵权|违|欺诈|骚扰|营销)",
        "冒名侵权|经平台审核|投诉且经审核|谣言",
        "violat|infring|rumou?r",
    ),
    Outcome.UNAVAILABLE: (
        "(?:[帐账]号|公众号)已(?:被|自主)?(?:屏蔽|注销|冻结|封禁|停用)",
        "发送失败无法查看|(?:暂时)?无法查看|暂不可用|(?:内容|文章|页面)不存在",
        "unavailable|unable to view|can(?:no|'?)t be viewed",
        "account (?:has been|was) (?:deactivated|blocked|closed)",
    ),
    Outcome.EXPIRED_LINK: ("链接已(?:过期|失效)", "link (?:has )?expired"),
    Outcome.BAD_REQUEST: ("参数错误", "invalid (?:parameter|argument|link)|(?:parameter|wrong) error"),
}

_COMPILED = {outcome: re.compile("|".join(words), re.IGNORECASE) for outcome, words in _SENTENCES.items()}


def is_challenge(final_url: str | None, page_mid: str) -> bool:
    """The server asks for a human: told by its own machine marks, before any sentence."""
    return _path(final_url or "") == CHALLENGE_PATH or page_mid.endswith(_CHALLENGE_MID)


def _path(url: str) -> str:
    """The path of an address; empty where it is none."""
    try:
        return urlsplit(url).path if len(url) < MAX_URL else ""
    except ValueError:  # a bracket that is never closed
        return ""


def read_notice(shown: str) -> Notice:
    """Judge the visible words of a page that holds no post; UNKNOWN when no known sentence is among them."""
    words = " ".join(shown.split())
    for outcome, pattern in _COMPILED.items():
        if pattern.search(words):
            return Notice(outcome, words[:_MAX_REASON])
    return Notice(Outcome.UNKNOWN, words[:_MAX_REASON])

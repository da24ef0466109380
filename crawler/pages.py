"""Say what a page is that holds no post: taken down, refused, expired, a challenge.

Sentences are looked for only in what such a page *shows*, never in its scripts, and only after it is clear
that no post is there: genuine posts quote all of these sentences.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from archive.vocabulary import Outcome

CHALLENGE_PATH = "/mp/wappoc_appmsgcaptcha"
_CHALLENGE_MID = "secitptpage/verify.html"
MAX_NOTICE = 20_000  # characters of visible text looked at; a notice has under 200
_MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """What a page without a post turned out to be, and the words it says so with."""

    outcome: Outcome
    reason: str


# In this order: the first sentence found decides. English wording is what LANG=en gets.
_SENTENCES: tuple[tuple[Outcome, str], ...] = (
    (Outcome.VERIFICATION, r"环境异常|完成验证后即可继续访问|environment is abnormal|complete the verification"),
    (Outcome.RATE_LIMITED, r"访问过于频繁|操作(?:过于)?频繁|请求过于频繁|too frequent|freq(?:uency)? control"),
    (Outcome.PRIVATE, r"根据作者隐私设置|author'?s privacy settings"),
    (Outcome.MIGRATED, r"公众号已迁移|[帐账]号已迁移|原[帐账]号迁移时|处于[帐账]号迁移流程|account (?:has been|was) migrated"),
    (Outcome.DELETED, r"已被发布者(?:主动)?删除|已被作者删除|deleted by (?:the|its) (?:author|publisher)"),
    (Outcome.VIOLATION, r"因违规|违反.{0,40}(?:规定|规则|协议)|涉嫌.{0,20}(?:侵权|违|欺诈|骚扰|营销)|冒名侵权|经平台审核|"
     r"投诉且经审核|violat|infring|rumou?r|谣言"),
    (Outcome.UNAVAILABLE, r"[帐账]号已(?:被|自主)?(?:屏蔽|注销|冻结|封禁|停用)|公众号已(?:被)?(?:屏蔽|注销|封禁|停用)|"
     r"发送失败无法查看|(?:暂时)?无法查看|暂不可用|该?(?:内容|文章|页面)不存在|(?:temporarily )?unavailable|"
     r"unable to view|cannot be viewed|can'?t be viewed|account (?:has been|was) (?:deactivated|blocked|closed)"),
    (Outcome.EXPIRED_LINK, r"链接已(?:过期|失效)|link (?:has )?expired"),
    (Outcome.BAD_REQUEST, r"参数错误|invalid (?:parameter|argument|link)|parameter error|wrong parameter"),
)  # fmt: skip
_COMPILED = tuple((outcome, re.compile(pattern, re.IGNORECASE)) for outcome, pattern in _SENTENCES)


def is_challenge(final_url: str | None, page_mid: str) -> bool:
    """The server asks for a human: told by its own machine marks, before any sentence."""
    path = urlsplit(final_url).path if final_url and len(final_url) < 8192 else ""
    return path == CHALLENGE_PATH or page_mid.endswith(_CHALLENGE_MID)


def read_notice(shown: str) -> Notice:
    """Judge the visible words of a page that holds no post; UNKNOWN when no known sentence is among them."""
    words = " ".join(shown[:MAX_NOTICE].split())
    for outcome, pattern in _COMPILED:
        if pattern.search(words):
            return Notice(outcome, words[:_MAX_REASON])
    return Notice(Outcome.UNKNOWN, words[:_MAX_REASON])

"""Recognises a page that holds no post: taken down, refused, expired, a challenge.

Sentences are looked for only in what such a page *shows*, never in its scripts, and only after it is clear
that no post is there: genuine posts quote all of these sentences.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from bs4 import BeautifulSoup

from archive.domain.outcomes import Outcome
from crawler.parse.html_outline import Outline
from crawler.parse.js_literals import unescape_js

CHALLENGE_PATH = "/mp/wappoc_appmsgcaptcha"

_CHALLENGE_MID = "secitptpage/verify.html"

MAX_NOTICE = 600  # characters; real notices have under 200, and a page of more words is something else

MAX_URL = 8192  # characters; longer ones are no address of WeChat's

_MAX_REASON = 200

MAX_WRITTEN = 64 * 1024  # characters that scripts write into the page of a notice; real ones under 2000

_WRITTEN = re.compile(r"""document\.write\(\s*(?:'((?:[^'\\]++|\\.)*+)'|"((?:[^"\\]++|\\.)*+)")""", re.S)

_HIDDEN = ".weui-a11y_ref, [style*='display:none'], [style*='display: none'], .weui-msg__extra-area"

_NOTICE = ".weui-msg__title, .weui-msg__desc, .mesg-block, .page_msg, .global_error_msg, .page_rumor"


@dataclass(frozen=True, slots=True)
class Notice:
    """The outcome of a page without a post, and the page's own text."""

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


_WHAT = "(?:该|此|本|当前|原|您的|你的)?(?:内容|文章|页面|图文|素材|链接|网页|公众号|(?:公众)?[帐账]号)?"

# Clauses of which notices consist; a body of nothing else is a notice that was put in a post's place.
_CLAUSE = re.compile(
    rf"{_WHAT}(?:(?:已|已经)?被?(?:发布者|作者|运营者)?(?:主动|自主|自行)?删除|(?:暂时|现在)?(?:无法|不能)查看(?:(?:该|此)(?:内容|文章))?|暂不可用|不存在"
    r"|因违规(?:已被删除|无法查看|被删除)?|因涉嫌.{0,20}|被投诉且经审核涉嫌侵权|已被投诉.{0,20}|涉嫌(?:侵权|违规|违法).{0,20}"
    r"|(?:已|已经)?(?:被|自主)?(?:屏蔽|注销|冻结|封禁|停用|迁移)|发送失败(?:无法查看)?|(?:已)?(?:过期|失效)"
    r"|环境异常|过于频繁|的?访问过于频繁|操作(?:过于)?频繁)"
    r"|接相关投诉|此内容违反.{0,40}|根据作者隐私设置|参数错误|完成验证后即可继续访问|需要从微信打开验证身份|去验证|查看详情"
    r"|微信公众平台运营中心"
)

# Clauses that say that something failed, but not what became of the post.
_FAILURE = re.compile(
    r"(?:未知|系统|服务器?|网络)(?:错误|异常|繁忙|出错)了?|请?稍后(?:再试|重试|再来)|(?:你|您)?暂?无权限?查看(?:此|该)?(?:页面|内容|文章)*"
    r"|请在微信客户端(?:中)?打开(?:链接|此链接)?|失效的验证页面"
)

_ENGLISH = re.compile(
    r"(?:(?:the|this|your) (?:content|article|page|post|account|link|message|environment)[a-z' ,]{0,80}"
    r"(?:deleted|removed|violat|unavailable|infring|blocked|deactivated|closed|expired|viewed|migrated|abnormal)"
    r"|unable to view|(?:invalid|wrong) (?:parameter|argument|link)|parameter error|link (?:has )?expired"
    r"|(?:you can continue .{0,40})?complet\w+ the verification|unknown error|too frequent|please try again)"
    r"[a-z' ,]{0,80}",
    re.IGNORECASE,
)

_BETWEEN_SENTENCES = re.compile(r"[\r\n.!;]+\s*")

_BETWEEN_CLAUSES = re.compile(r"[\s，,。.！!；;：:]+|&nbsp;")

MAX_WHOLE_NOTICE = 200  # characters; real ones have under 100


def read_whole_notice(text: str) -> Notice | None:
    """Return the notice that a post's text consists of; None where it says anything else."""
    if len(text) > MAX_WHOLE_NOTICE:
        return None
    sentences = [sentence for sentence in _BETWEEN_SENTENCES.split(text) if sentence.strip()]
    is_english = bool(sentences) and all(_ENGLISH.fullmatch(sentence.strip()) for sentence in sentences)
    clauses = [clause for clause in _BETWEEN_CLAUSES.split(text) if clause]
    failures = [clause for clause in clauses if _FAILURE.fullmatch(clause)]
    known = all(_CLAUSE.fullmatch(clause) for clause in clauses if clause not in failures)
    if not clauses or not (is_english or known):
        return None
    notice = read_notice(text)
    if notice.outcome is Outcome.UNKNOWN and "删除" in text:
        return Notice(Outcome.DELETED, notice.reason)
    return notice if is_english or failures or notice.outcome is not Outcome.UNKNOWN else None


def is_challenge(final_url: str | None, page_mid: str) -> bool:
    """Tell whether the server asks for a human, by its machine-readable marks rather than a sentence."""
    return _path(final_url or "") == CHALLENGE_PATH or page_mid.endswith(_CHALLENGE_MID)


def _path(url: str) -> str:
    """Return the path of an address; empty where it is none."""
    try:
        return urlsplit(url).path if len(url) < MAX_URL else ""
    except ValueError:  # a bracket that is never closed
        return ""


def read_notice(shown: str) -> Notice:
    """Return the notice in the visible text of a page without a post; UNKNOWN without a known sentence."""
    words = " ".join(shown.split())
    for outcome, pattern in _COMPILED.items():
        if pattern.search(words):
            return Notice(outcome, words[:_MAX_REASON])
    return Notice(Outcome.UNKNOWN, words[:_MAX_REASON])


def shown_text(page: Outline) -> str:
    """Return the text a reader sees: of the notice, where the page marks one, else all of a short page."""
    soup = BeautifulSoup(page.markup + _written_markup(page), "lxml")
    for hidden in soup.select(_HIDDEN):
        hidden.extract()
    marked = _few_words(piece for found in soup.select(_NOTICE) for piece in found.stripped_strings)
    words = _few_words(soup.stripped_strings) if marked == "" else marked
    return words or ""


def _few_words(pieces: Iterable[str]) -> str | None:
    """Return the pieces as one text; None where that is too long for a notice."""
    found: list[str] = []
    length = 0
    for piece in pieces:
        found.append(piece)
        length += len(piece) + 1
        if length > MAX_NOTICE + 1:
            return None
    return " ".join(found)


def _written_markup(page: Outline) -> str:
    """Return the markup that the page's scripts write into it; empty where it is too much for a notice."""
    written: list[str] = []
    length = 0
    for script in page.scripts:
        if b"document.write" not in script:
            continue
        for found in _WRITTEN.finditer(script.decode("utf-8", "replace")):
            written.append(unescape_js(found[1] or found[2] or ""))
            length += len(written[-1])
            if length > MAX_WRITTEN:
                return ""
    return "".join(written)

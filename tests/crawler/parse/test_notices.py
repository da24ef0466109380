"""Pages that hold no post are judged by their machine marks and the words they show."""

import pytest

from archive.domain.outcomes import Outcome
from crawler.parse.notices import is_challenge, read_notice
from crawler.parse.page import read_page
from tests.crawler.parse.made import page

SENTENCES = {
    "该内容已被发布者删除": Outcome.DELETED,
    "The content has been deleted by the author.": Outcome.DELETED,
    "此内容因违规无法查看 由用户投诉并经平台审核，涉嫌过度营销": Outcome.VIOLATION,
    "此内容被投诉且经审核涉嫌侵权，无法查看": Outcome.VIOLATION,
    "投诉类型 冒名侵权": Outcome.VIOLATION,
    "该内容暂时无法查看": Outcome.UNAVAILABLE,
    "此内容发送失败无法查看": Outcome.UNAVAILABLE,
    "此帐号已被屏蔽, 内容无法查看": Outcome.UNAVAILABLE,
    "此帐号已自主注销，内容无法查看": Outcome.UNAVAILABLE,
    "链接已过期": Outcome.EXPIRED_LINK,
    "你的访问过于频繁，需要从微信打开验证身份": Outcome.RATE_LIMITED,
    "环境异常 当前环境异常，完成验证后即可继续访问。 去验证": Outcome.VERIFICATION,
    "参数错误": Outcome.BAD_REQUEST,
    "该公众号已迁移": Outcome.MIGRATED,
    "原帐号迁移时未将文章素材同步至新帐号，该链接已不可访问": Outcome.MIGRATED,
    "此帐号处于帐号迁移流程中": Outcome.MIGRATED,
    "根据作者隐私设置，无法查看该内容": Outcome.PRIVATE,
    "未知错误，请稍后再试": Outcome.UNKNOWN,
    "": Outcome.UNKNOWN,
}


@pytest.mark.parametrize(("words", "outcome"), SENTENCES.items())
def test_a_sentence_decides(words: str, outcome: Outcome) -> None:
    assert read_notice(words).outcome is outcome


def _page(body: str, script: str = "") -> bytes:
    head = "<!DOCTYPE html><html><head><title></title></head>"
    return f"{head}<body>{body}<script>{script}</script></body></html>".encode()


def test_words_in_scripts_are_not_shown() -> None:
    assert read_page(_page("", "var tip = '该内容已被发布者删除';")).outcome is Outcome.UNKNOWN


def test_hidden_words_are_not_shown() -> None:
    assert read_page(_page('<p style="display:none">参数错误</p>')).outcome is Outcome.UNKNOWN


def test_a_long_page_that_quotes_a_notice_is_no_notice() -> None:
    assert read_page(_page(f"<p>{'一篇长文。' * 200}该内容已被发布者删除</p>")).outcome is Outcome.UNKNOWN


def test_another_template_that_quotes_a_notice_is_no_notice() -> None:
    page = _page("<p>此内容因违规无法查看</p>", "var PAGE_MID='mmbizwap:pages/album.html';")
    assert read_page(page).outcome is Outcome.UNKNOWN


def test_a_migrated_account_tells_where_it_went() -> None:
    script = r"var transferTargetLink = 'https://mp.weixin.qq.com/s?__biz=a\x26amp;mid=1';"
    reading = read_page(_page('<div class="weui-msg__title">该公众号已迁移</div>', script))
    assert reading.outcome is Outcome.MIGRATED
    assert reading.page["moved_to"] == "https://mp.weixin.qq.com/s?__biz=a&mid=1"


def test_the_address_or_the_template_tells_a_challenge_before_any_words() -> None:
    assert is_challenge("https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?poc_token=x", "")
    assert is_challenge(None, "mmbizwap:secitptpage/verify.html")
    assert not is_challenge(
        "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv", "mmbizwap:appmsg/newindex.html"
    )


def test_an_empty_shell_asks_for_a_browser() -> None:
    reading = read_page(_page('<div id="app"></div>'))
    assert (reading.outcome, reading.needs_browser) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("<p>The content has been deleted by the author.</p>", Outcome.DELETED),
        ("<p>This content can't be viewed.</p><p>Please try again later.</p>", Outcome.UNAVAILABLE),
        ("<p>未知错误，请稍后再试</p>", Outcome.UNKNOWN),
        ("<p>你暂无权限查看此页面内容</p>", Outcome.UNKNOWN),
        ('<svg viewBox="0 0 9 9"><path d="M0 0"/></svg><p>该内容已被发布者删除</p>', Outcome.DELETED),
        ('<img data-src="https://mmbiz.qpic.cn/a/b/0"><p>该内容已被发布者删除</p>', Outcome.UNKNOWN),
        ('<iframe data-mpvid="wxv_1"></iframe><p>参数错误</p>', Outcome.UNKNOWN),
        ("<p>查看详情</p>", Outcome.ARTICLE),
        ("<p>The content of this course is new.</p>", Outcome.ARTICLE),
        ("<p>该内容已被发布者删除</p><p>这句话是什么意思？</p>", Outcome.ARTICLE),
        ('<img data-src="https://mmbiz.qpic.cn/a/b/0"><p>请稍后</p>', Outcome.ARTICLE),
    ],
)
def test_a_body_that_is_a_notice_is_no_article_whatever_is_beside_it(body: str, outcome: Outcome) -> None:
    reading = read_page(page(body))
    assert reading.outcome is outcome
    assert (reading.record is None) == (outcome is not Outcome.ARTICLE)

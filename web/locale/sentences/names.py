"""Words of the program that stand alone or in a sentence: states, outcomes, commands, verdicts; and counts.

What the pages have a word for already is called by that.
"""

from archive.domain.outcomes import Kind
from archive.domain.update_decisions import PAGE
from web.locale.words import WORDS


def _called(kind: str) -> dict[str, str]:
    return {name.removeprefix(kind): said for name, (_, said) in WORDS.items() if name.startswith(kind)}


_STATES = {
    "ok": "正常",
    "unchanged": "无变化",
    "empty": "列表为空",
    "closed": "已关闭",
    "login_expired": "登录已过期",
    "bad_token": "令牌不匹配",
    "refused": "被拒绝",
    "unreachable": "无法连接",
    "not_understood": "无法识别",
    "foreign": "属于其他公众号",
    "not_configured": "配置不全",
}

_COMMANDS = {
    "init": "初始化（init）",
    "backfill": "补录（backfill）",
    "audit": "补缺（audit）",
    "reparse": "重新解析（reparse）",
    "discover": "查找新文章（discover）",
    "fetch": "抓取文章（fetch）",
    "scrapy crawl posts": "抓取文章（scrapy crawl posts）",
    "media": "下载媒体（media）",
    "revisit": "复查文章（revisit）",
    "inbox": "处理收件夹（inbox）",
    "report": "检查与报警（report）",
    "verify": "校验（verify）",
}

_VERDICTS = {
    "done": "完成",
    "nothing_due": "无待办",
    "failed": "失败",
    "usage": "用法有误",
    "partly_failed": "部分失败",
    "stopped": "已停止",
    "nothing_fetched": "未获得任何内容",
    "database": "数据库故障",
    "sound": "完好",
    "not_sound": "有不符之处",
}

_RESULTS = {
    "kept": "已保存",
    "new": "新增",
    "changed": "有变化",
    "not_a_post": "不是文章",
}

_OTHERS = {
    "no_answer": "无应答",
    "not_drawn": "未经浏览器渲染",
    "dump": "导出文件（dump）",
    PAGE: "原网页",
    "Monday": "周一",
    "Tuesday": "周二",
    "Wednesday": "周三",
    "Thursday": "周四",
    "Friday": "周五",
    "Saturday": "周六",
    "Sunday": "周日",
}

NAMES: dict[str, str] = {
    **_called("relation."),
    **{kind: _called("kind.")[kind] for kind in Kind},
    **_called("outcome."),
    **_STATES,
    **_COMMANDS,
    **_VERDICTS,
    **_RESULTS,
    **_OTHERS,
}

COUNTS: dict[str, str] = {  # of a run; what is none of these is one of NAMES
    **_called("check."),
    "found": "不符之处",
    "wanted": "计划",
    "fetched": "成功",
    "outcomes": "结果",
    "stored": "入库",
    "states": "状态",
    "counts": "计数",
    "reasons": "原因",
    "seen": "列出",
    "known": "已存档",
    "not_asked": "未请求",
    "asked_again": "再次抓取",
    "browser_missing": "缺少浏览器",
    "browser_failed": "浏览器渲染失败",
    "render_disagrees": "渲染结果不一致",
    "not_recorded": "回放记录中没有",
    "images_kept": "图片已保存",
    "images_refused": "图片被拒绝",
    "images_failed": "图片下载失败",
    "images_not_asked": "图片未请求",
    "images_not_recorded": "回放记录中没有的图片",
    "accounts": "公众号",
    "passed_over": "跳过",
    "bad_input": "输入有误",
    # of pages that are read again, by what is another now
    "same": "相同",
    "facts": "其他信息",
    "text": "正文",
    "earlier_text": "旧网页的正文",
    "outcome": "结果",
    "lost": "不再是文章",
    "unread": "未能解析",
}

"""Every small input outside the repository, given to the installed command as its list says.

The pages are imported into one archive by one command; what is expected is words of the answer, never a page.
"""

import csv
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.acceptance.command import Command
from tests.crawler.loopback import Loopback, Reply
from tests.support.captures import SHARED
from tests.support.database import database_from

CASES = SHARED / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"no cases at {CASES}; set MPARCHIVE_SHARED")

NAMES_REFUSED = re.compile(r'[\\/:*?"<>|\x00-\x1f]|[. ]$')  # by Windows


@dataclass(frozen=True)
class Words:
    """What an exported file holds: these patterns, and none of those. Patterns are regular expressions."""

    wanted: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()


def cells(*texts: str) -> str:
    """Return the pattern of a row in a table, as Markdown or HTML writes it."""
    return r"[^\n]*".join(map(re.escape, texts))


MARKDOWN = {
    "table-rowspan.html": Words((r'rowspan="2">研发', rf"<tr>{cells('<td>人员</td>', '<td>80</td>')}")),
    "table-rowspan-mid.html": Words((r'rowspan="3">第一批', rf"<tr>{cells('<td>乙区</td>', '<td>20</td>')}")),
    "table-in-cell.html": Words((r"\| 合计 \| 1 \|\s*$", "点一.*点二"), (r"合计[^\n]*\n\| --- ",)),
    "sup-sub.html": Words((r"10<sup>4</sup>", r"CO<sub>2</sub>", r"m<sup>3</sup>"), ("104", "CO2")),
    "code-old.html": Words(("```bash\nif",)),
    "code-leaf-br.html": Words(
        (r"```python\ndef [^\n]*[^ \n]\n    return [^\n]*[^ \n]\n\nprint[^\n]*\n```",)
    ),
    "code-section-lines.html": Words((r"\n    return 1\n",)),
    "math-formula.html": Words((r"\$E = mc\^2\$", r"\\frac\{a\}\{b\}")),
    "math-mjx.html": Words((r"\$v=s/t\$",)),
    "math-ex-width.html": Words((r"\$E=mc\^2\$",)),
    "svg-tspan.html": Words(("补贴最高", "500万元")),
    "mathml.html": Words(("S=300",)),
    "emoji-img.html": Words((r"\\\[微笑\\\]",), (r"!\[",)),
    "bold-italic.html": Words((r"\*\*\*粗斜一\*\*\*", r"\*\*\*粗斜二\*\*\*"), (r"<\*\*", r"\*\*>")),
    "lists.html": Words((r"\n3\. [^\n]*\n4\. [^\n]*\n   - ",)),
    "lists-fake.html": Words((r"\n1\\\. ", r"\n10\\\. ", r"\n\\- ", r"\n\\# ")),
    "heading-styles.html": Words((r"\n## ", r"\n# \*\*", r"\n### ")),
    "cards.html": Words(("图书", "办事指南", "示例大厦", "你支持吗", "直播预告")),
    "video-only.html": Words(("> 视频", r"!\[\]\([^)]*/v1/")),
    "hidden-guide.html": Words(("折叠", "渐显", "缩到零", "一像素", "不可见", "零宽", "零号透明")),
    "prewrap.html": Words((r"第一行 *\n第二行 *\n *缩进行",)),
    "paid-preview.html": Words(("preview_only: true", "免费试读部分")),
    "dl-details-ruby.html": Words(("名词", "解释", "要点", "折叠内容", "沪", "hù", "Ctrl")),
    "img-forms.html": Words(tuple(rf"!\[[^\]]*\]\([^)]*/a{number}/" for number in range(1, 11))),
    "sticker.html": Words((r"!\[\]\([^)]*/st1/",), ("卡片",)),
    "picture-untitled.html": Words((r"title: .+", "今日见闻")),
}
TITLED = {"title-*.html", "same-aid-other.html"}
HTML = {
    "svg-tspan.html": Words(("补贴最高", "500万元")),
    "mathml.html": Words(("S</span><span>=</span><span>300",)),
    "math-ex-width.html": Words((r"<img alt=\"E=mc\^2\"[^>]*display:inline-block[^>]*width:[\d.]+ex",)),
}
OUTCOMES = {
    "notices/empty-shell.html": "unknown",
    "notices/guide-open-in-wechat.html": "unknown",
    "notices/captcha-text.html": "verification",
    "notices/gone-deleted.html": "unavailable",
    "notices/param-error.html": "bad_request",
    "notices/article-with-js_content-no-js_article.html": "unknown",
    "00-base.html": "article",
    "saved/served.html": "article",
    "saved/chrome-complete.html": "article",
    "ct-zero.html": "article 2026-09-01",
    "ct-midnight.html": "article 2026-09-01",
    "img-forms.html": "article 2025-09-08 10",
    "sticker.html": "article 2025-09-08 1",
    "picture-untitled.html": "article 2026-09-01 1",
}
APART = {
    "in-article-bare-link.html",
    "inputs/addresses.txt",
    "inputs/wx-biz-articles.json",
    "inputs/wae.csv",
    "inputs/feeds.opml",
    "saved/singlefile.html",
    "saved/blink.mhtml",
    "feeds/werss-tilde.xml",
}  # fmt: skip - each has a test of its own below


@pytest.fixture(scope="module")
def exported(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the folder of the pages' exports, `md` and `html`."""
    home = tmp_path_factory.mktemp("cases")
    pages = sorted(CASES.glob("*.html"))
    for url in database_from(server_url, f"TEMPLATE {template}"):
        mparchive = Command(url, home)
        done = mparchive("backfill", "--no-fetch", "--no-media", *pages)
        assert (done.code, done.err) == (0, "")
        for name, form in (("md", "markdown"), ("html", "html")):
            assert mparchive("export", "--format", form, "--output", f"{name}/").code == 0
            assert len(list((home / name).glob(f"20*.{name}"))) == len(pages)
        yield home


def script_value(name: str, variable: str) -> str:
    """Return a string that a script of the page assigns to a variable."""
    found = re.search(rf"\b{variable}(?: =|:) (['\"])(.*?)\1", (CASES / name).read_text("utf-8"))
    assert found, name
    decoded = re.sub(r"\\x([0-9a-f]{2})", lambda one: chr(int(one[1], 16)), found[2])
    return html.unescape(decoded)


def exports_of(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"*-{script_value(name, 'mid')}_1-*"))


def misses(text: str, words: Words) -> list[str]:
    missing = [one for one in words.wanted if not re.search(one, text, re.DOTALL | re.MULTILINE)]
    return missing + [f"unwanted: {one}" for one in words.unwanted if re.search(one, text)]


@pytest.mark.parametrize("name", MARKDOWN)
def test_markdown_says_what_the_page_says(exported: Path, name: str) -> None:
    (path,) = exports_of(exported / "md", name)
    assert misses(path.read_text("utf-8"), MARKDOWN[name]) == []


@pytest.mark.parametrize("name", HTML)
def test_an_offline_page_says_what_the_page_says(exported: Path, name: str) -> None:
    (path,) = exports_of(exported / "html", name)
    assert misses(path.read_text("utf-8"), HTML[name]) == []


@pytest.mark.parametrize("name", sorted(path.name for one in TITLED for path in CASES.glob(one)))
def test_a_title_is_right_in_a_file_that_every_system_takes(exported: Path, name: str) -> None:
    title = script_value(name, "msg_title")
    paths = exports_of(exported / "md", name)
    heads = [yaml.safe_load(path.read_text("utf-8").split("\n---\n")[0]) for path in paths]
    assert title in [head["title"] for head in heads]
    for path in paths:
        assert not NAMES_REFUSED.search(path.name)
        assert len(path.name.encode()) <= 255


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_page_is_parsed_as_expected(mparchive: Command, name: str) -> None:
    done = mparchive("parse", CASES / name, "--json")
    outcome, *more = OUTCOMES[name].split()
    assert done.json["outcome"] == outcome
    found = [done.json["post"]["时间time"], str(len(done.json["page"].get("images", ())))] if more else []
    assert found[: len(more)] == more


def test_a_link_within_a_post_is_not_due_before_what_has_chksm(mparchive: Command) -> None:
    assert mparchive("backfill", "--no-fetch", "--no-media", CASES / "in-article-bare-link.html").code == 0
    biz = script_value("in-article-bare-link.html", "biz")
    (mparchive.home / "mparchive.toml").write_text(f'[[accounts]]\nbiz = "{biz}"\nname = "合成"\n')
    done = mparchive("discover", "--json")
    assert [one["source"] for account in done.json for one in account["sources"]] == ["neighbours"]
    ((url,),) = mparchive.rows("SELECT url FROM addresses WHERE url LIKE '%2247480500%'")
    assert "chksm" not in url
    good = f"https://mp.weixin.qq.com/s?__biz={biz}&mid=1&idx=1&sn={'5a' * 16}&chksm={'be' * 8}"
    (mparchive.home / "list.txt").write_text(good)
    assert mparchive("backfill", "--no-fetch", "list.txt").code == 0
    status = mparchive("status", "--json").json
    assert (status["bare_waiting"], status["due"]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "code", "number", "words"),
    [
        ("inputs/addresses.txt", 3, 29, "7 lines without the address of a post"),
        ("inputs/wx-biz-articles.json", 0, 1, ""),
        ("inputs/wae.csv", 0, 1, ""),
        ("inputs/feeds.opml", 2, 0, "contains no address of a post"),
    ],
)
def test_a_list_gives_every_address(
    mparchive: Command, name: str, code: int, number: int, words: str
) -> None:
    done = mparchive("backfill", "--no-fetch", "--no-media", CASES / name)
    assert done.code == code
    assert mparchive.number("SELECT count(*) FROM addresses") == number
    assert words in done.err
    assert len(done.err.splitlines()) == (1 if words else 0)
    assert "Warning" not in done.err


@pytest.mark.parametrize("name", ["saved/singlefile.html", "saved/blink.mhtml"])
def test_a_saved_page_is_a_post(mparchive: Command, name: str) -> None:
    done = mparchive("backfill", "--no-fetch", "--no-media", CASES / name)
    assert (done.code, done.err) == (0, "")
    ((url, day),) = mparchive.rows("SELECT url, published_on::text FROM posts")
    assert url.startswith("http")
    assert day == "2025-09-08"
    ((title,),) = mparchive.rows("SELECT title FROM posts")
    assert title
    assert mparchive("show", url).code == 0


def test_a_feed_that_writes_a_tilde_for_an_underscore_gives_every_post(mparchive: Command) -> None:
    with Loopback() as server:
        body = (CASES / "feeds" / "werss-tilde.xml").read_bytes()
        server.serve("/werss-tilde.xml", Reply(body, headers={"Content-Type": "application/rss+xml"}))
        feed = f"{server.url}/werss-tilde.xml"
        (mparchive.home / "mparchive.toml").write_text(
            f'[[accounts]]\nbiz = "MzI0MDAwMDAwMQ=="\nname = "合成"\nfeeds = ["{feed}"]\n'
        )
        at_server = Command(mparchive.database_url, mparchive.home, loopback="")
        done = at_server("discover", "--json")
    (source,) = (one for account in done.json for one in account["sources"] if one["source"] != "neighbours")
    assert (done.code, source["state"], source["seen"]) == (0, "ok", 6), done.err
    urls = [url for (url,) in mparchive.rows("SELECT url FROM addresses")]
    tokens = re.findall(r"<link>https://mp.weixin.qq.com/s/([^<]+)", body.decode())
    assert sorted(urls) == sorted(f"https://mp.weixin.qq.com/s/{one.replace('~', '_')}" for one in tokens)


def test_every_row_of_the_list_has_a_test() -> None:
    with (CASES / "README.tsv").open(encoding="utf-8", newline="") as file:
        listed = {row["file"] for row in csv.DictReader(file, delimiter="\t")}
    titled = {path.name for one in TITLED for path in CASES.glob(one)}
    assert listed - {*MARKDOWN, *HTML, *OUTCOMES, *titled, *APART} == set()

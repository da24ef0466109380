"""Markdown says every word of a post, in order, to whoever reads Markdown; and nothing that was not there."""

import html
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from archive.domain.parsed_page import ParsedPage
from archive.export.html_to_markdown import to_markdown
from archive.export.markdown import render_markdown
from crawler.parse.page import read_page
from tests.archive.export.markdown_files import READER, written
from tests.archive.rendering.making import of_reading, post, shown
from tests.standin.pages import all_pages
from tests.support.captures import capture, capture_names, needs_captures


def words_read(markdown: str) -> str:
    """Return what a reader of the Markdown sees, without its title."""
    soup = BeautifulSoup(READER.render(markdown), "lxml")
    if soup.h1:
        soup.h1.decompose()
    return soup.get_text()


def squeezed(text: str) -> str:
    return "".join(text.split())


def hold(readings: dict[str, ParsedPage], folder: Path) -> None:
    for number, (name, reading) in enumerate(readings.items()):
        made = of_reading(reading, filled=number % 2 == 0)
        _, rest = written(made, folder)
        read, text = squeezed(words_read(rest)), squeezed(html.unescape(made.post.text))
        assert is_within(text, read), name
        assert len(read) - len(text) < 0.1 * len(text) + 1000, name  # only cards say more
        assert "\n\n\n" not in rest, name
        assert "**" not in read or "**" in text, name


def is_within(text: str, read: str) -> bool:
    """Tell whether the characters of a text are all there, in order."""
    rest = iter(read)
    return all(char in rest for char in text)


def test_posts_of_the_stand_in_are_whole_in_markdown(tmp_path: Path) -> None:
    readings = {name: read_page(body, url) for name, body, url, _ in all_pages()}
    hold({name: reading for name, reading in readings.items() if reading.record}, tmp_path)


@pytest.mark.slow
@needs_captures
def test_real_posts_are_whole_in_markdown(tmp_path: Path) -> None:
    hold({name: read_page(capture(name)) for name in capture_names("article_*")}, tmp_path)


@pytest.mark.parametrize(
    ("body", "markdown"),
    [
        ("<section><section><p>一</p></section><p>二</p></section>", "一\n\n二"),
        ("<section>一<br>二</section>三", "一  \n二\n\n三"),
        ("<p>一</p><p><br></p><p>&nbsp;</p><p>二</p>", "一\n\n二"),
        ("<p><strong>一</strong><strong>二</strong></p>", "**一二**"),
        ("<p>字<strong>“词”</strong>字</p>", "字“**词**”字"),
        ("<p><strong> </strong>字<strong><br></strong></p>", "字"),
        ("<p>字<b><i>粗斜</i></b>字<i><b>斜粗</b></i></p>", "字***粗斜***字***斜粗***"),
        ("<p>字<b><u><i>一</i></u></b><b><i>二</i></b>字</p>", "字***一二***字"),
        ("<p>字<b>一</b><b><i>二</i></b>字</p>", "字**一**<em>**二**</em>字"),
        ("<p>字<b>一<i>二</i></b>字</p>", "字<strong>一<em>二</em></strong>字"),
        ("<p>字<s><b>一</b></s>字</p>", "字<strong>~~一~~</strong>字"),
        ("<p><i>一<br><br>二</i></p>", "<em>一</em>\n\n<em>二</em>"),
        ("<p>a<i> b </i>c</p>", "a <em>b</em> c"),
        ("<p>6×10<sup>8</sup>千瓦，H<sub>2</sub>O</p>", "6×10<sup>8</sup>千瓦，H<sub>2</sub>O"),
        ('<p>7 m<span style="font-size:10px;vertical-align: super">2</span></p>', "7 m<sup>2</sup>"),
        ("<p>字<b>10<sup>8</sup></b>字</p>", "字<strong>10<sup>8</sup></strong>字"),
        ("<p><del>旧</del><ins>新</ins><mark>重点</mark></p>", "~~旧~~<ins>新</ins><mark>重点</mark>"),
        ("<strong><p>一</p><p>二</p></strong>", "一\n\n二"),
        ("<p>1. 一</p><p># 二</p><p>- 三</p>", "1\\. 一\n\n\\# 二\n\n\\- 三"),
        ("<p>&gt; 四</p><p>+ 五</p>", "\\> 四\n\n\\+ 五"),
        ("<p>a*b_c`d[e]&lt;f&gt;&amp;nbsp;</p>", "a\\*b\\_c\\`d\\[e\\]&lt;f>&amp;nbsp;"),
        ("<p><span>1</span><span>. 一</span></p>", "1\\. 一"),
        ("<h2>一<br>二</h2>", "## 一 二"),
        ("<ul><li><p>一</p></li><li>二<ul><li>三</li></ul></li></ul>", "- 一\n- 二\n  - 三"),
        ("<ol start=3><li>一</li><li>二</li></ol>", "3. 一\n4. 二"),
        ("<ol reversed><li>一</li><li>二</li></ol>", "2. 一\n\n<!-- -->\n\n1. 二"),
        ("<ol><li>一</li><li value=7>二</li><li>三</li></ol>", "1. 一\n\n<!-- -->\n\n7. 二\n8. 三"),
        ("<ol><li>一</li><li></li><li>三</li></ol>", "1. 一\n2.\n3. 三"),
        ("<ol><li></li><li></li></ol>", ""),
        ("<ul><li>一</li><li></li><li>三</li></ul>", "- 一\n- 三"),
        ("<ol><li>一</li></ol><p></p><ol><li>甲</li></ol>", "1. 一\n\n<!-- -->\n\n1. 甲"),
        ("<ol><li>一</li></ol><ol start=2><li>二</li></ol>", "1. 一\n\n2. 二"),
        ("<ol start='-1'><li>一</li><li>二</li></ol>", "- -1\\. 一\n\n0. 二"),
        ("<ol><li>一</li><p>续</p><li>二</li></ol>", "1. 一\n\n   续\n2. 二"),
        ("<blockquote><p>一</p><p>二</p></blockquote>", "> 一\n>\n> 二"),
        ("<pre><code>a = 1</code><code>b  = *2*</code></pre>", "```\na = 1\nb  = *2*\n```"),
        ("<pre><code><span>a:<br></span></code><code><span>&nbsp; b<br></span></code><code><br></code>"
         "<code>c</code></pre>", "```\na:\n  b\n\nc\n```"),
        ("<pre><code>a</code>\n<code></code>\n<code>b</code></pre>", "```\na\n\nb\n```"),
        ("<pre><section>a</section><section><br></section><section>  b</section></pre>",
         "```\na\n\n  b\n```"),
        ("<pre>x <code>y</code> z</pre>", "```\nx y z\n```"),
        ('<section style="font-family:Menlo;white-space:pre"><p>a {</p><p>&nbsp;&nbsp;b</p></section>',
         "```\na {\n  b\n```"),
        ('<p style="white-space: pre-wrap">一\n二<b>三\n四</b></p>', "一  \n二**三**  \n**四**"),
        ('<div style="white-space:pre"><p style="white-space:normal">一\n二</p></div>', "一 二"),
        ("<pre>```</pre>", "````\n```\n````"),
        ("<p><code>a*b</code></p>", "`a*b`"),
        ('<p><a href="https://x.example/a(b)">词</a></p>', "[词](<https://x.example/a(b)>)"),
        ("<table><tr><td>一</td></tr></table>", "一"),
        ("<table><tr><th>甲</th><th>乙</th></tr><tr><td>1|2</td><td><p>3</p><p>4</p></td></tr></table>",
         "| 甲 | 乙 |\n| --- | --- |\n| 1\\|2 | 3<br>4 |"),
        ("<table><tr><td>年</td><td>项</td><td>数</td></tr><tr><td rowspan=2><p>去年</p></td><td>甲</td>"
         "<td>7</td></tr><tr><td>乙*</td><td>9<sup>2</sup></td></tr></table>",
         "<table>\n<tr><td>年</td><td>项</td><td>数</td></tr>\n"
         '<tr><td rowspan="2">去年</td><td>甲</td><td>7</td></tr>\n'
         "<tr><td>乙&#42;</td><td>9<sup>2</sup></td></tr></table>"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td colspan=2>c</td></tr></table>",
         '<table>\n<tr><td>a</td><td>b</td></tr>\n<tr><td colspan="2">c</td></tr></table>'),
        ("<table><tr><td>a</td><td><ol><li>b</li><li>c</li></ol></td></tr></table>",
         "<table>\n<tr><td>a</td><td><ol><li>b</li><li>c</li></ol></td></tr></table>"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td><table><tr><td>1</td><td>2</td></tr></table>"
         "</td></tr></table>",
         "<table>\n<tr><td>a</td><td>b</td></tr>\n<tr><td>c</td><td><table>\n"
         "<tr><td>1</td><td>2</td></tr></table></td></tr></table>"),
        ("<table><tr><td><table><tr><td>1</td><td>2</td></tr></table></td></tr></table>",
         "| 1 | 2 |\n| --- | --- |"),
        ("<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody>"
         "<tfoot><tr><td>计</td><td>2</td></tr></tfoot></table>",
         "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 计 | 2 |"),
        ("<table><tfoot><tr><td>计</td><td>2</td></tr></tfoot><tbody><tr><td>1</td><td>2</td></tr></tbody>"
         "</table>",
         "<table><tfoot>\n<tr><td>计</td><td>2</td></tr></tfoot><tbody>\n"
         "<tr><td>1</td><td>2</td></tr></tbody></table>"),
        ('<p>字<b><a href="https://x.example/">词</a></b>字</p>',
         "字<strong>[词](https://x.example/)</strong>字"),
        ('<p><b><a href="https://x.example/">词</a></b></p>', "**[词](https://x.example/)**"),
        ("<p>字<s><code>a</code></s></p>", "字<del>`a`</del>"),
        ("<p><b><code>&lt;a&gt;</code></b>。</p>", "<strong><code>&lt;a&gt;</code></strong>。"),
        ("<p><code>a</code><code>b</code></p>", "`a`<!-- -->`b`"),
        ("<p>a<code>\u3000b </code>c</p>", "a `b` c"),
        ("<p>a<a href='https://x.example/'>\u3000b</a></p>", "a [b](https://x.example/)"),
        ("<p>10<sup>x<sup>2</sup></sup></p>", "10<sup>x<sup>2</sup></sup>"),
        ("<p>--- -</p><p>- - -</p>", "\\--- -\n\n\\- - -"),
        ("<table><tr><td>a<br>b</td><td><b>c<br>d</b></td></tr></table>",
         "| a<br>b | **c**<br>**d** |\n| --- | --- |"),
        ("<table><tr><td rowspan=2><div><p>1</p><p>2</p></div><p>3</p></td><td>4</td></tr><tr></tr></table>",
         '<table>\n<tr><td rowspan="2"><div><p>1</p><p>2</p></div><p>3</p></td><td>4</td></tr>\n'
         "<tr></tr></table>"),
        ("<table><tr><td rowspan=2>1</td><td><pre><code>a</code><code></code><code>b</code></pre></td></tr>"
         "<tr></tr></table>",
         '<table>\n<tr><td rowspan="2">1</td><td><pre><code>a&#10;\nb</code></pre></td></tr>\n'
         "<tr></tr></table>"),
        ("<pre>&lt;a&gt;\n\n  b</pre>", "<pre><code>&lt;a&gt;&#10;\n&#32;&#32;b</code></pre>"),
    ],
)  # fmt: skip
def test_what_editors_make_becomes_what_people_would_write(body: str, markdown: str) -> None:
    assert re.sub(r">[ ]+$", ">", to_markdown(body), flags=re.M) == markdown


@pytest.mark.parametrize(
    "body",
    [
        '<pre data-lang="go"><code>a</code></pre>',
        '<pre><code class="hljs language-go">a</code></pre>',
        '<section><ul class="code-snippet__line-index x"><li>1</li><li>2</li></ul>'
        '<pre class="lang-go x">a</pre></section>',
    ],
)
def test_code_has_its_language_and_no_line_numbers(body: str) -> None:
    made = render_markdown(shown(post(body, title="题"))).content.decode()
    assert made.endswith("# 题\n\n```go\na\n```\n")

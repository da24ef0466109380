"""Make bodies of posts from a seed: any of the elements that editors write, in any of them; all invented."""

import html
from random import Random

_WORDS = (
    "词", "产业政策", "Word", "x2", "500", "3.5%", "10", "1.", "-", "#", "##", "a*b", "*", "**", "_", "a_b_c",
    "<tag>", "&", "&amp;", "[x]", "|", "~~", "`", "$5", "$", "1)", "+", "（一）", "\\", "！", "“引”",
    "https://x.cn", "---", "==", ">", "甲", "乙", "019", "100万元", "①", "：", "![a](b)", "{:.x}", "第1条",
    "\u00a0", "\u3000", "é", "😀",
)  # fmt: skip

_FORMATS = ("b", "strong", "i", "em", "s", "del", "u", "span", "font", "mark", "ins", "small", "sup", "sub",
            "abbr", "label", "kbd", "var", "time", "x-unknown", "big", "tt", "button", "strike")  # fmt: skip

_CONTAINERS = ("p", "section", "div", "blockquote", "h1", "h2", "h4", "center", "figure", "article",
               "fieldset", "header", "aside", "form", "main", "hgroup")  # fmt: skip

_LISTS = (
    "", "", ' start="3"', " reversed", ' start="-1"', ' type="a"', ' type="I"', ' start="0"',
    ' style="list-style-type:none"', ' style="list-style-type: upper-alpha"', ' style="list-style: none"',
)  # fmt: skip

MAX_DEPTH = 4


def made_body(seed: int) -> str:
    """Return the body of this seed, with one to four blocks."""
    chance = Random(seed)
    return "".join(_block(chance, 0) for _ in range(chance.randint(1, 4)))


def _text(chance: Random) -> str:
    words = [chance.choice(_WORDS) for _ in range(chance.randint(1, 4))]
    return html.escape(chance.choice([" ", " ", ""]).join(words), quote=False)


def _inline(chance: Random, depth: int) -> str:  # noqa: C901, PLR0911 - a kind of element each
    if depth >= MAX_DEPTH:
        return _text(chance)
    kind = chance.randint(0, 13)
    inner = _inline(chance, depth + 1)
    match kind:
        case 0 | 1 | 2:
            name = chance.choice(_FORMATS)
            inner = _text(chance) if "<svg" in inner or (name in ("sup", "sub") and "<" in inner) else inner
            return f"<{name}>{inner}</{name}>"
        case 3:
            return f"{inner}{_inline(chance, depth + 1)}"
        case 4:
            return f"{inner} {_inline(chance, depth + 1)}"
        case 5 if "<a " not in inner:
            return f'<a href="https://x.example/a_b?c=1">{inner}</a>'
        case 6:
            return f'<span style="display:none">{inner}</span>'
        case 7:
            return f"{inner}<br>{_text(chance)}"
        case 8:
            return f"<code>{_text(chance)}</code>"
        case 9:
            return f"<ruby>{_text(chance)}<rp>(</rp><rt>{_text(chance)}</rt><rp>)</rp></ruby>"
        case 10:
            words = [_text(chance) for _ in range(3)]
            return (
                f'<svg viewBox="0 0 9 9"><rect width="9" height="9"></rect><text>{words[0]}</text><g><text>'
                f'<tspan x="0">{words[1]}</tspan></text></g></svg>'
            )
        case 11:
            return f"<math><mi>{_text(chance)}</mi><mo>=</mo><msup><mi>x</mi><mn>2</mn></msup></math>"
        case 12:
            return f'<img data-src="https://mmbiz.qpic.cn/mmbiz_png/a/640">{_text(chance)}'
    return _text(chance)


def _code(chance: Random) -> str:
    indent = ("", "  ", "    ", "\t", "&nbsp; ")
    lines = [chance.choice(indent) + _text(chance).strip() if chance.random() > 0.2 else ""
             for _ in range(chance.randint(1, 4))]  # fmt: skip
    spans = "".join(f"<code><span>{line}</span></code>" for line in [*lines, "x"])
    sections = "".join(f"<section>{line or '<br>'}</section>" for line in lines)
    joined, broken = "\n".join(lines), "<br>".join(lines)
    return chance.choice(
        [f"<pre>{joined}</pre>", f'<pre class="lang-js"><code>{joined}</code></pre>',
         f"<pre><code>{broken}</code></pre>", f"<pre>{spans}</pre>", f"<pre>{sections}</pre>"]
    )  # fmt: skip


def _block(chance: Random, depth: int) -> str:  # noqa: C901, PLR0911 - a kind of element each
    if depth >= MAX_DEPTH:
        return f"<p>{_inline(chance, depth)}</p>"
    match chance.randint(0, 11):
        case 0:
            return _inline(chance, 1)
        case 1:
            return _code(chance)
        case 2 | 3:
            items = [f"<li{chance.choice(['', '', '', ' value=7'])}>{_content(chance, depth + 1)}</li>"
                     for _ in range(chance.randint(1, 3))]  # fmt: skip
            return f"<ol{chance.choice(_LISTS)}>{''.join(items)}</ol>"
        case 4:
            items = [f"<li>{_content(chance, depth + 1)}</li>" for _ in range(chance.randint(1, 3))]
            return f"<ul>{''.join(items)}</ul>"
        case 5:
            return f"<details><summary>{_inline(chance, 2)}</summary>{_content(chance, depth + 1)}</details>"
        case 6:
            return f"<dl><dt>{_inline(chance, 2)}</dt><dd>{_content(chance, depth + 1)}</dd></dl>"
        case 7:
            caption = f"<figcaption>{_inline(chance, 2)}</figcaption>"
            return f"<figure>{_content(chance, depth + 1)}{caption}</figure>"
        case 8 | 9 if depth < MAX_DEPTH - 1:  # a table within a table may be taken for a layout
            return _table(chance)
        case 10:
            name = chance.choice(["b", "strong", "em", "span", "del"])
            return f"<{name}>{_content(chance, depth + 1)}</{name}>"
    name = chance.choice(_CONTAINERS)
    # A parser ends these at the first block within.
    inner = _inline(chance, 1) if name in ("p", "h1", "h2", "h4") else _content(chance, depth + 1)
    return f"<{name}>{inner}</{name}>"


def _content(chance: Random, depth: int) -> str:
    blocks = [_block(chance, depth) for _ in range(chance.randint(1, 2))]
    return _inline(chance, 2) if chance.random() < 0.5 else "".join(blocks)


def _table(chance: Random) -> str:
    """Return a table of whole rows, with cells over several rows or columns, and a head or foot."""
    rows, columns = chance.randint(1, 3), chance.randint(1, 3)
    free = {(row, column) for row in range(rows) for column in range(columns)}
    is_merged, lines = chance.random() < 0.4, []
    for row in range(rows):
        line = ""
        for column in range(columns):
            if (row, column) in free:
                high, wide = chance.choice([(1, 1), (2, 1), (1, 2)]) if is_merged else (1, 1)
                taken = {(row + down, column + right) for down in range(high) for right in range(wide)}
                if not taken <= free or (high > 1 and columns == 1):
                    high, wide, taken = 1, 1, {(row, column)}
                free -= taken
                spans = f' rowspan="{high}" colspan="{wide}"' if high + wide > 2 else ""
                cell = _inline(chance, 2) if chance.random() < 0.7 else _content(chance, MAX_DEPTH - 1)
                line += f"<td{spans}>{cell}</td>"
        lines.append(f"<tr>{line}</tr>")
    caption = chance.choice(["", "<caption>表一</caption>"])
    if chance.random() < 0.5 or rows == 1 or "rowspan" in "".join(lines):
        return f"<table>{caption}<tbody>{''.join(lines)}</tbody></table>"
    first, *others = lines
    foot, body = (f"<tfoot>{others[-1]}</tfoot>", others[:-1]) if chance.random() < 0.5 else ("", others)
    return f"<table>{caption}<thead>{first}</thead>{foot}<tbody>{''.join(body)}</tbody></table>"

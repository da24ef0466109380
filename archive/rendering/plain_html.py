"""Turn a body into HTML that needs no script: widgets of WeChat's scripts become plain elements.

The result is not safe yet: archive.rendering.sanitizer must be applied last.
"""

import re

from bs4 import BeautifulSoup, Tag
from bs4.element import Comment

from archive.rendering.cards import PLAYER_CLASSES, insert_cards
from archive.rendering.formulas import complete_formulas, drop_katex_copies, mark_formulas
from archive.rendering.images import ancestor_ids, clean_link, normalize_images, parse_html, texts_in
from archive.rendering.sanitizer import OWN, loses_words
from archive.rendering.svg import replace_drawings

MAX_DEPTH = 200  # nested elements; posts have under 60, and the time of parsers grows with its square

MAX_FORMATTING = 12  # nested formatting elements; a parser of HTML reopens all of them in each paragraph

BLOCKS = frozenset({
    "div", "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "table", "thead", "tbody", "tfoot",
    "tr", "td", "th", "caption", "blockquote", "pre", "hr", "colgroup", "col", "section", "article", "header",
    "footer", "main", "nav", "aside", "address", "center", "figure", "figcaption", "dl", "dt", "dd",
})  # fmt: skip

_FORMATTING = frozenset({"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong",
                    "tt", "u"})  # fmt: skip

_REMOVED = (
    "script", "style", "template", "iframe", "frame", "object", "embed", "applet", "noembed", "noframes",
    "xmp", "plaintext", "textarea", "title", "select", "input", "math", "link", "meta", "base",
    "mp-style-type", "mp-common-cpsad",
)  # fmt: skip

_WITH_TEXT = frozenset({"template", "xmp", "plaintext", "textarea", "title", "select", "math", "noframes"})

# Blocks that the page around has itself, or that the sanitizer unwraps: their words stay in their own lines.
_OTHER_BLOCKS = {
    **dict.fromkeys(
        ["header", "footer", "main", "nav", "details", "summary", "fieldset", "legend", "form", "hgroup",
         "dialog", "search", "option", "optgroup"],
        "div",
    ),
    **dict.fromkeys(["menu", "dir"], "ul"),
}  # fmt: skip

_CODE = f"{OWN}-code-"  # begins the class of a block of code; its language follows

_LANGUAGE = re.compile(r"[A-Za-z0-9+#.-]{1,30}")

_LANGUAGE_CLASS = re.compile(r"lang(?:uage)?-(.+)")

_HIDDEN = re.compile(r"display\s*:\s*none", re.I)


def plain_body(html: str) -> BeautifulSoup:
    """Return a body without scripts: images have their address in `src`, widgets are cards.

    All text that a reader of the page could see is still there, in order.
    """
    soup = parse_html(html)
    _flatten(soup)
    languages = _code_languages(soup)
    _drop_line_numbers(soup)
    drop_katex_copies(soup)
    _rename_own_names(soup)
    for pre, language in languages:
        pre["class"] = f"{_CODE}{language}"
    _drop_hidden(soup)
    insert_cards(soup)
    formulas = mark_formulas(soup)
    replace_drawings(soup)
    normalize_images(soup)
    complete_formulas(formulas)
    _drop_unsupported(soup)
    _rename_foreign(soup)
    _clean_links(soup)
    return soup


def code_language(pre: Tag) -> str:
    """Return the language of a block of code in a plain body, "" where it is unknown."""
    names = pre.get_attribute_list("class")
    return next((name.removeprefix(_CODE) for name in names if name and name.startswith(_CODE)), "")


def code_text(code: Tag) -> str:
    """Return the text of code, with a line feed at the end of each line."""
    text: list[str] = []
    _collect_code(code, text)
    return "".join(text)


def _collect_code(tag: Tag, text: list[str]) -> None:
    """Collect the text of code, in which each block, and each `code` directly in a `pre`, is a line."""
    texts = [str(child) for child in tag.contents if not isinstance(child, (Tag, Comment))]
    has_lines = tag.name == "pre" and tag.code is not None and not "".join(texts).strip()
    for child in tag.contents:
        if not isinstance(child, Tag):
            if str(child) and not isinstance(child, Comment) and not (has_lines and child.parent is tag):
                text.append(str(child))
            continue
        if child.name == "br":
            text.append("\n")
            continue
        is_code = has_lines and child.name == "code"
        if (is_code or child.name in BLOCKS) and text and not text[-1].endswith("\n"):
            text.append("\n")
        before = len(text)
        _collect_code(child, text)
        is_open = is_code if len(text) == before else not text[-1].endswith("\n")
        if is_open and (is_code or child.name in BLOCKS):
            text.append("\n")


def _code_languages(soup: BeautifulSoup) -> list[tuple[Tag, str]]:
    """Return the blocks of code that name their language, with its name."""
    found: list[tuple[Tag, str]] = []
    for pre in soup.find_all("pre"):
        holders = [pre, *pre.find_all("code", limit=1)]
        named = [str(one.get("data-lang") or "") for one in holders]
        classes = [str(name) for one in holders for name in one.get_attribute_list("class") if name]
        named += [match[1] for name in classes if (match := _LANGUAGE_CLASS.fullmatch(name))]
        language = next((name for name in named if _LANGUAGE.fullmatch(name)), "")
        if language:
            found.append((pre, language))
    return found


def _drop_line_numbers(soup: BeautifulSoup) -> None:
    """Remove the numbers that stand beside the lines of code."""
    for numbers in soup.find_all(class_="code-snippet__line-index"):
        if not numbers.decomposed and re.fullmatch(r"[\d\s]*", numbers.get_text()):
            numbers.decompose()


def _drop_hidden(soup: BeautifulSoup) -> None:
    """Remove hidden elements without text: spacers, counters, marks of editors."""
    with_text = ancestor_ids(texts_in(soup))
    for tag in soup.find_all(style=_HIDDEN):
        if not tag.decomposed and id(tag) not in with_text:
            tag.decompose()


def _rename_own_names(soup: BeautifulSoup) -> None:
    """Rename elements, attributes and classes with our prefix, which only our own elements may have."""
    for tag in soup.find_all(True):
        if tag.name.startswith(OWN):
            tag.name = "span"
        else:
            tag.name = _OTHER_BLOCKS.get(tag.name, tag.name)
        for name in [name for name in tag.attrs if name.startswith(OWN)]:
            del tag[name]
        if tag.get("class"):  # other classes matter only to WeChat's style sheet
            tag["class"] = " ".join(
                name for name in tag.get_attribute_list("class") if name in PLAYER_CLASSES
            )


def _drop_unsupported(soup: BeautifulSoup) -> None:
    for tag in soup.find_all(_REMOVED):
        if tag.decomposed:
            continue
        if tag.name in _WITH_TEXT:
            tag.unwrap()
        else:
            tag.decompose()


def _rename_foreign(soup: BeautifulSoup) -> None:
    """Rename elements of other languages, as MathML, whose words would be removed with them."""
    for tag in soup.find_all(True):
        if loses_words(tag.name):
            tag.name, tag.attrs = "span", {}


def _clean_links(soup: BeautifulSoup) -> None:
    for link in soup.find_all("a"):
        href = clean_link(str(link.get("href") or ""))
        link.attrs.pop("href", None)
        if href:
            link["href"] = href


def _flatten(soup: BeautifulSoup) -> None:
    """Replace elements nested deeper than MAX_DEPTH by their text and images, in order.

    Unwrap formatting elements nested deeper than MAX_FORMATTING.
    """
    pending: list[tuple[Tag, int, int]] = [(soup, 0, 0)]
    excess: list[Tag] = []
    while pending:
        tag, depth, formatting = pending.pop()
        formatting += tag.name in _FORMATTING
        if formatting > MAX_FORMATTING and tag.name in _FORMATTING:
            excess.append(tag)
        inner = [child for child in tag.contents if isinstance(child, Tag)]
        if depth < MAX_DEPTH:
            pending += [(child, depth + 1, formatting) for child in inner]
        elif inner:
            leaves = [leaf for leaf in tag.descendants if not isinstance(leaf, Tag) or not leaf.contents]
            for leaf in leaves:
                leaf.extract()
            tag.clear()
            tag.extend(leaves)
    for tag in excess:
        tag.unwrap()

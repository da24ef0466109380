"""Formulas: their TeX is kept beside the drawing, and MathML becomes words with raised and lowered parts."""

import re
from collections import Counter

from bs4 import BeautifulSoup, Tag

from archive.rendering.images import new_element
from archive.rendering.sanitizer import OWN
from archive.rendering.svg import DRAWING

FORMULA = f"{OWN}-formula"  # class of a formula within a line; its title is the TeX

FORMULA_BLOCK = f"{FORMULA}-block"  # class of a formula in lines of its own

FORMULA_WORDS = f"{FORMULA}-words"  # class of the words of a formula that is drawn

MAX_TEX = 10_000  # characters; real ones have under 1,000

_HIDDEN = "position:absolute;width:1px;height:1px;overflow:hidden"  # for search and screen readers

_BLOCKS = frozenset({"section", "div", "p", "figure"})

_IS_BLOCK = re.compile(r"display\s*:\s*block", re.I)

_SCRIPTS = {"msup": ("sup",), "msub": ("sub",), "msubsup": ("sub", "sup"), "mover": ("sup",),
            "munder": ("sub",), "munderover": ("sub", "sup")}  # fmt: skip


def mark_formulas(soup: BeautifulSoup) -> list[Tag]:
    """Mark the elements whose TeX is known with a class and the TeX as their title, and return them."""
    marked: list[Tag] = []
    seen: set[int] = set()
    for tag in soup.find_all(_may_be_formula):
        if id(tag) in seen:
            continue
        seen.update(id(inner) for inner in tag.find_all(True))
        tex, is_block = _tex(tag), _is_block(tag)
        if tex:
            formula = tag.wrap(new_element("span")) if tag.name in ("svg", "img", "math") else tag
            formula.name = "span" if formula.name.startswith("mjx-") else formula.name
            for svg in formula.find_all("svg"):
                _set_width(svg)
            formula.attrs |= {"class": FORMULA_BLOCK if is_block else FORMULA, "title": tex}
            marked.append(formula)
    _write_mathml(soup)
    return marked


def drop_katex_copies(soup: BeautifulSoup) -> None:
    """Remove KaTeX's drawing of a formula in HTML where the same formula stands beside it as MathML."""
    for formula in soup.find_all(class_="katex"):
        drawing, mathml = formula.find(class_="katex-html"), formula.find("math")
        if drawing is not None and mathml is not None and _letters(drawing) <= _letters(mathml):
            drawing.decompose()


def _letters(tag: Tag) -> Counter[str]:
    return Counter(char for char in tag.get_text() if char.isalnum())


def complete_formulas(formulas: list[Tag]) -> None:
    """Name the drawing of each formula, and write the TeX where there is neither a drawing nor words.

    Drawings must have been replaced.
    """
    for formula in formulas:
        tex, words = str(formula["title"]), formula.find("mjx-assistive-mml")
        drawing = formula.find([DRAWING, "img"])
        if drawing is not None:
            drawing["alt"] = tex
        elif not formula.get_text(strip=True):
            formula.append(tex)
        if words is not None:
            words.name = "span"
            words.attrs = {"class": FORMULA_WORDS, "style": _HIDDEN} if drawing is not None else {}


def is_formula(tag: Tag) -> bool:
    """Return whether an element is a formula whose title is its TeX."""
    return any(name in (FORMULA, FORMULA_BLOCK) for name in tag.get_attribute_list("class"))


def _set_width(svg: Tag) -> None:
    """Give a drawn formula without a width that of its view, in which a letter is 1000 units high."""
    view = re.fullmatch(r"\s*\S+\s+\S+\s+(\d{1,6})(?:\.\d+)?\s+\S+\s*", str(svg.get("viewbox", "")), re.A)
    if view and not svg.get("width"):
        svg["width"] = f"{int(view[1]) / 1000:g}em"


def _may_be_formula(tag: Tag) -> bool:
    return bool(tag.get("data-formula")) or tag.name in ("mjx-container", "math")


def _tex(tag: Tag) -> str:
    written = str(tag.get("data-formula") or "")
    if not written and (inner := tag.find(lambda one: bool(one.get("data-formula")))) is not None:
        written = str(inner["data-formula"])
    if not written:
        noted = tag.find_all("annotation", encoding=re.compile("tex", re.I), limit=1)
        written = noted[0].get_text() if noted else ""
    tex = " ".join(written.split())
    return tex if len(tex) <= MAX_TEX else ""


def _is_block(tag: Tag) -> bool:
    shown = tag if tag.name != "mjx-container" or tag.get("display") else (tag.find("math") or tag)
    if shown.get("display") in ("true", "block") or shown.get("mode") == "display":
        return True
    return tag.name in _BLOCKS or bool(_IS_BLOCK.search(str(tag.get("style", ""))))


def _write_mathml(soup: BeautifulSoup) -> None:
    """Write fractions, roots, and raised and lowered parts of MathML as a line of words."""
    for noted in soup.find_all(["annotation", "annotation-xml"]):
        if not noted.decomposed:
            noted.decompose()
    for name in ("mfrac", "msqrt", "mroot", *_SCRIPTS):
        for tag in soup.find_all(name):
            parts = tag.find_all(True, recursive=False)
            if name == "mfrac" and len(parts) == 2:
                for part in parts:
                    _bracket(part)
                parts[0].insert_after("/")
            elif name in ("msqrt", "mroot"):
                tag.insert(0, "√")
                _bracket(parts[0] if name == "mroot" and parts else tag, after=1 if name == "msqrt" else 0)
            for part, script in zip(parts[1:], _SCRIPTS.get(name, ()), strict=False):
                part.wrap(new_element(script))


def _bracket(tag: Tag, after: int = 0) -> None:
    """Put brackets around the content of an element with several parts."""
    if len(tag.find_all(True, recursive=False)) > 1:
        tag.insert(after, "(")
        tag.append(")")

"""The numbers, letters and signs that a browser shows before the items of an ordered list."""

import re
from collections.abc import Callable

from bs4 import Tag

_STYLE = re.compile(r"list-style(?:-type)?\s*:\s*([^;]+)", re.IGNORECASE)

_LETTERS = 26

_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
    (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip

_MAX_ROMAN = 3999  # browsers show larger numbers in digits

_DIGITS = "零一二三四五六七八九"


def item_numbers(tag: Tag) -> dict[int, int]:
    """Return the number of each item of an ordered list, by the item's id()."""
    items = [child for child in tag.contents if isinstance(child, Tag) and child.name == "li"]
    step = -1 if tag.has_attr("reversed") else 1
    start = _integer(tag.get("start"))
    number = (len(items) if step < 0 else 1) if start is None else start
    numbers: dict[int, int] = {}
    for item in items:
        value = _integer(item.get("value"))
        numbers[id(item)] = number if value is None else value
        number = numbers[id(item)] + step
    return numbers


def item_markers(tag: Tag) -> dict[int, int | str]:
    """Return what stands before each item of an ordered list, by the item's id().

    It is the number where the list shows "1." and so on, else the words, as "a." and "一、". Items that show
    a dot or nothing are left out.
    """
    written = _MARKERS.get(marker_style(tag))
    numbers = item_numbers(tag)
    if written is None:
        return dict(numbers) if marker_style(tag) == "decimal" else {}
    return {item: written(number) for item, number in numbers.items()}


def marker_style(tag: Tag) -> str:
    """Return the CSS name of the markers of an ordered list: "decimal" where browsers show digits."""
    found = _STYLE.search(str(tag.get("style") or ""))
    words = re.findall(r"[a-z-]+", found[1].lower()) if found else []
    style = next((word for word in words if word in _MARKERS or word in _WITHOUT), "")
    return style or _TYPES.get(str(tag.get("type") or ""), "decimal")


def _letter(number: int) -> str:
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, _LETTERS)
        letters = chr(ord("a") + rest) + letters
    return letters


def _roman(number: int) -> str:
    if number > _MAX_ROMAN:
        return ""
    signs = ""
    for value, sign in _ROMAN:
        signs += sign * (number // value)
        number %= value
    return signs


def _chinese(number: int) -> str:
    if not 0 < number < 100:
        return ""
    tens, ones = divmod(number, 10)
    before = ("" if tens == 1 else _DIGITS[tens]) + "十" if tens else ""
    return before + (_DIGITS[ones] if ones else "")


def _marker(write: Callable[[int], str], end: str = ".", *, is_upper: bool = False) -> Callable[[int], str]:
    """Return a function from a number to a marker; digits where the style has no sign for the number."""

    def marker(number: int) -> str:
        signs = write(number) if number > 0 else ""
        return f"{signs.upper() if is_upper else signs}{end}" if signs else f"{number}{end}"

    return marker


_MARKERS: dict[str, Callable[[int], str]] = {
    **dict.fromkeys(["lower-alpha", "lower-latin"], _marker(_letter)),
    **dict.fromkeys(["upper-alpha", "upper-latin"], _marker(_letter, is_upper=True)),
    "lower-roman": _marker(_roman),
    "upper-roman": _marker(_roman, is_upper=True),
    "decimal-leading-zero": _marker(lambda number: f"{number:02d}"),
    **dict.fromkeys(
        ["cjk-ideographic", "simp-chinese-informal", "trad-chinese-informal"], _marker(_chinese, "、")
    ),
}

_TYPES = {"a": "lower-alpha", "A": "upper-alpha", "i": "lower-roman", "I": "upper-roman"}

_WITHOUT = frozenset({"none", "disc", "circle", "square", "decimal"})  # "decimal" is no function's either


def _integer(written: object) -> int | None:
    text = str(written if written is not None else "").strip()
    return int(text) if re.fullmatch(r"[+-]?\d{1,8}", text, re.A) else None

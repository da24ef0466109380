"""Compare the copies of one value on one page: title, times, ids, account name, and the body itself.

Pages hold most values several times, since 2025-11 also the whole body. A page whose copies differ was
changed or damaged on its way, and nobody can tell which copy is right.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from archive.domain.outcomes import Kind
from archive.domain.text import unescape
from crawler.parse.body import PREVIEW_MARK, listed_addresses, text_of, text_of_html
from crawler.parse.elements import find_elements, sizeless_path
from crawler.parse.html_outline import Outline
from crawler.parse.identity import is_publication_time, post_address, wall_clock
from crawler.parse.js_literals import unescape_js
from crawler.parse.script_state import PageState

AGREE, DIFFER = "agree", "differ"

TITLE, ACCOUNT, TIME = "title", "account", "time"
BIZ, MID, IDX, SN = "biz", "mid", "idx", "sn"
BODY, IMAGES = "body", "images"

MIN_DESCRIPTION = 100  # characters; a description this long may be the beginning of the words it describes

_SPACE = re.compile(r"\s+|[\u200b\ufeff]")

_SPACE_IN_LINE = re.compile(r"[^\S\r]+|[\u200b\ufeff]")

_NOT_WORDS = re.compile(r"\W+")

_TAG = re.compile(r"<[^<>]{0,200}>")

_TIMES = ("ct", "data.ori_create_time", "data.create_timestamp", "create_time", "oriCreateTime")

_WALL_CLOCKS = ("data.create_time", "createTime", "publish_time")

_SHARE_TYPE = 11

_SHARE_PANEL = 'id="js_share_source"'

_LINKS = ("msg_link", "data.link")


@dataclass(frozen=True, slots=True)
class MarkedCopies:
    """The copies that stand in the page's markup, outside its scripts; empty where there are none."""

    titles: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


def compare_copies(state: PageState, page: Outline, marked: MarkedCopies, kind: Kind) -> dict[str, str]:
    """Return AGREE or DIFFER by the name of each value that the page holds more than once.

    Of a rendered page only the values are compared that its scripts held in the end: they come before what
    is written in the markup, and its body is held against the words that the browser showed.
    """
    marked = MarkedCopies() if state.drawn else marked
    titles = (state.text("data.title"), state.text("msg_title", "title"), *marked.titles)
    names = (state.text("nickname", "nick_name", "name"), state.text("data.nick_name"))
    accounts = (*names, *marked.accounts)
    found = {
        TITLE: _compare_words(titles),
        ACCOUNT: _compare_words(accounts),
        TIME: _compare_times(state),
        **_compare_ids(state, marked.links),
        **({} if state.drawn else _compare_bodies(state, page, kind)),
    }
    return {name: AGREE if agrees else DIFFER for name, agrees in found.items() if agrees is not None}


def _compared(copies: Iterable[str], normalised: Callable[[str], str] = str) -> bool | None:
    """Tell whether all copies say the same; None where there are not two."""
    said = [words for copy in copies if copy and (words := normalised(copy))]
    return len(set(said)) == 1 if len(said) > 1 else None


def _compare_words(copies: Iterable[str]) -> bool | None:
    """Compare values without white space; a copy may have a script's escapes in it, or lack a "<word>"."""
    said = [
        {words, _squeezed(unescape_js(copy)), _TAG.sub("", words)}
        for copy in copies
        if (words := _squeezed(copy))
    ]
    return bool(set.intersection(*said)) if len(said) > 1 else None


def _squeezed(text: str) -> str:
    """Return a text without white space and entities, which some templates escape twice."""
    return _SPACE.sub("", unescape(unescape(text)) if "&" in text else text)


def _compare_times(state: PageState) -> bool | None:
    """Compare publication times: Unix seconds by the second, written ones by the minute or the day."""
    seconds = [number for name in _TIMES if is_publication_time(number := state.number(name))]
    written = [clock for name in _WALL_CLOCKS if (clock := wall_clock(state.text(name)))]
    if len(seconds) + len(written) < 2:
        return None
    if not seconds:
        return len({(clock.instant, clock.unit) for clock in written}) == 1
    return len(set(seconds)) == 1 and all(clock.includes(seconds[0] or 0) for clock in written)


def _compare_ids(state: PageState, marked_links: Iterable[str]) -> dict[str, bool | None]:
    links = (*(state.text(name) for name in _LINKS), *marked_links)
    own = [address for link in links if (address := post_address(link))]
    return {
        BIZ: _compared((state.text("biz"), state.text("data.bizuin"), *(one.biz for one in own))),
        MID: _compared((*_numbers(state, "mid", "data.mid", "appmsgid"), *(one.mid for one in own))),
        IDX: _compared((*_numbers(state, "idx", "data.idx", "itemidx"), *(one.idx for one in own))),
        SN: _compared((state.text("sn"), state.text("data.sn"), *(one.sn for one in own))),
    }


def _numbers(state: PageState, *names: str) -> list[str]:
    return [str(number) for name in names if (number := state.number(name))]


def _compare_bodies(state: PageState, page: Outline, kind: Kind) -> dict[str, bool | None]:
    written = state.get("data.content_noencode")
    content = written if isinstance(written, str) else ""
    match kind:
        case Kind.ARTICLE | Kind.SHARE:
            served = page.body if page.body and page.body.strip() else page.shared
            if not content or not (served or _lacks_body(state, page)):
                return {}
            if _is_only_mark(content) or _is_only_mark(served or ""):
                return {}
            return _compare_html(served, content)
        case Kind.PICTURE:
            return {
                BODY: _compare_description(content, state.text("desc")),
                IMAGES: _compare_lists(state),
            }
        case Kind.TEXT:
            page_content = state.mapping("data.text_page_info").get("content_noencode")
            copies = (content, page_content if isinstance(page_content, str) else "")
            return {BODY: _compared(copies, lambda copy: _words_and_paragraphs(text_of(copy)))}
    return {}


def _is_only_mark(copy: str) -> bool:
    """Tell whether a copy of a paid post's body is empty but for the mark that its preview ends with."""
    return bool(PREVIEW_MARK.search(copy)) and not text_of(copy).strip() and not find_elements(copy).images


def _lacks_body(state: PageState, page: Outline) -> bool:
    """Tell whether the place of the body is empty on a page whose scripts do not fill it, as a share's do."""
    is_filled = state.number("item_show_type", "data.item_show_type") == _SHARE_TYPE
    return page.body_in_page and not is_filled and _SHARE_PANEL not in page.markup


def _compare_html(served: str, content: str) -> dict[str, bool | None]:
    """Compare two copies of a body: words and ends of paragraphs, and images whatever their size."""
    if served.strip() == content.strip():  # as WeChat serves them
        return {BODY: True, IMAGES: True if find_elements(served).images else None}
    texts = [_words_and_paragraphs(text) for text in (text_of_html(served), text_of(content))]
    images = [{sizeless_path(url) or url for url in find_elements(copy).images} for copy in (served, content)]
    return {BODY: texts[0] == texts[1], IMAGES: images[0] == images[1] if any(images) else None}


def _words_and_paragraphs(text: str) -> str:
    return _SPACE_IN_LINE.sub("", unescape(text))


def _compare_description(content: str, description: str) -> bool | None:
    """Compare the words of a picture post with its description, which may end before them."""
    words, described = (_NOT_WORDS.sub("", _squeezed(text_of(text))) for text in (content, description))
    if not words or not described:
        return None
    return words == described or (len(described) >= MIN_DESCRIPTION and words.startswith(described))


def _compare_lists(state: PageState) -> bool | None:
    """Compare the two lists of a picture post's pictures; that of older pages ends after the first ones."""
    lists = [
        listed_addresses(state, name) for name in ("data.picture_page_info_list", "picture_page_info_list")
    ]
    if not all(lists):
        return None
    shorter = min(map(len, lists))
    return lists[0][:shorter] == lists[1][:shorter]

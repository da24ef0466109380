"""Finds a post's kind and body, and applies the text rule: the post's `finalContent` from its body."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from archive.domain.addresses import clean_url
from archive.domain.outcomes import Kind
from crawler.parse.elements import Element, find_elements, sizeless_path
from crawler.parse.html_outline import Outline, tokens
from crawler.parse.js_literals import html_decode, unescape_js
from crawler.parse.script_state import PageState

_LINE_BREAK = re.compile(r"\r\n|\r|\n")

_BLOCKS = re.compile(r"<(?:p|section|div|blockquote|h[1-6]|ul|ol|table)\b[^<>]*>", re.IGNORECASE)

# What WeChat itself puts into a plain text: links, and line breaks. Anything else is the author's own "<".
_INLINE = re.compile(r"</?(?:a|span|strong|em|b|i|font|img)(?:\s*+>|\s(?=[^<>=]*+=)[^<>]*+>)", re.IGNORECASE)

_INVISIBLE = re.compile(r"(?:&(?:nbsp|#160|ensp|emsp);|[\s\u200b\ufeff]++)*+")

_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)

# Ends the free part of the body of a paid post.
PREVIEW_MARK = re.compile(r"<mp-pay-preview-filter\b[^<>]{0,200}>", re.IGNORECASE)

_PARAGRAPH_END = "\x00"  # cannot stand in a page that came as text: NUL is no HTML character


def text_of_html(html: str) -> str:
    """Apply the rule to a body in HTML: entities stay as served, `</p>` becomes a carriage return.

    Raises TooManyTags when the body is not one a real page could have.
    """
    served = html.replace(_PARAGRAPH_END, "\ufffd").encode("utf-8", "replace")
    kept = _without_tags(served).decode("utf-8", "replace")
    return " ".join(kept.split()).replace(_PARAGRAPH_END, "\r")  # U+00A0 and U+3000 are spaces as well


def _without_tags(html: bytes) -> bytes:
    pieces: list[bytes] = []
    position = 0
    for token in tokens(html):
        pieces.append(html[position : token.start])
        if token.closing and token.name == b"p":
            pieces.append(_PARAGRAPH_END.encode())
        position = token.next
    pieces.append(html[position:])
    return b"".join(pieces)


def text_of_plain(text: str) -> str:
    """Apply the rule to a body in plain text: line breaks become carriage returns, links lose their tags."""
    broken = _BREAK_TAG.sub("\n", text)
    return _LINE_BREAK.sub("\r", _INLINE.sub("", broken).strip())


def text_of(body: str) -> str:
    """Apply the rule to a body from a page's script state, which may be HTML or plain text."""
    return text_of_html(body) if is_html(body) else text_of_plain(body)


def is_html(body: str) -> bool:
    """Whether a body from a page's script state is HTML, not plain text with links in it."""
    return bool(_BLOCKS.search(body))


MAX_BODY = 8 * 1024 * 1024  # characters of HTML; the longest real body seen has 0.4 million

MAX_NOTICE_SCRIPT = 20_000  # bytes; the script that writes a share's notice has under 2,000

_KINDS = {
    "0": Kind.ARTICLE,
    "5": Kind.VIDEO,
    "6": Kind.MUSIC,
    "7": Kind.AUDIO,
    "8": Kind.PICTURE,
    "10": Kind.TEXT,
    "11": Kind.SHARE,
    "17": Kind.SHORT,
}

_PLAYERS = frozenset({  # what else a reader sees besides words
    "iframe", "video", "audio", "svg", "mpvoice", "qqmusic", "mp-common-mpaudio", "mp-common-videosnap",
    "mpvideosnap", "mp-common-qqmusic", "mp-common-poi",
})  # fmt: skip

_PICTURE_LISTS = ("picture_page_info_list", "data.picture_page_info_list")

_WRITTEN = re.compile(
    r"""(?:document\.write\(|\.innerHTML\s*=\s*)"((?:[^"\\]++|\\.)*+)"(?:\.replace|\s*\))""", re.S
)


@dataclass(frozen=True)
class Body:
    """A post's body: the text by the text rule, and the addresses of what is shown in it, in order.

    `html` is its HTML as the page holds it, empty where it is plain text; `elements` are the images, players
    and links in either.
    """

    text: str = ""
    images: tuple[str, ...] = ()
    players: int = 0  # videos, audios and other things a reader can look at that are no images
    html: str = field(default="", repr=False)
    elements: tuple[Element, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.images or self.players) or _INVISIBLE.fullmatch(self.text) is None


def find_kind(state: PageState, outline: Outline) -> Kind | None:
    """Return the kind by `item_show_type`, which pages before 2018-08 lack; None for an unknown type."""
    written = state.text("item_show_type", "data.item_show_type")
    kind = _KINDS.get(written) if written else (Kind.ARTICLE if outline.body_in_page else None)
    if kind is Kind.ARTICLE and copyright_stat(state) == 2:
        return Kind.SHARE
    return kind


def copyright_stat(state: PageState) -> int:
    """1 original, 2 another account's post, 0 neither."""
    info = state.mapping("data.copyright_info").get("copyright_stat")
    return info if isinstance(info, int) else state.number("_copyright_stat", "copyright_stat") or 0


def find_body(kind: Kind, state: PageState, outline: Outline, description: str = "") -> Body:
    """Return the body of a post of this kind; empty (false) when the page holds none. Raises TooManyTags.

    `description` is the page's meta description, all that old video pages say in words.
    """
    match kind:
        case Kind.ARTICLE | Kind.SHARE:
            found = _served(outline)
            if not found or state.drawn:
                written = _from_state(state) or _shared(kind, outline)
                found = written if not found or _is_less(found, written) else found
            return replace(found, images=_with_listed(found.images, state))
        case Kind.PICTURE:
            return _picture(state, outline)
        case Kind.TEXT:
            return _plain_text(state)
    found = _player(state, description)
    if kind is Kind.AUDIO and not found.text:  # drawn by a script: only a rendered page holds it
        return replace(_served(outline), players=found.players)
    return found


def _is_less(drawn: Body, written: Body) -> bool:
    """Whether a page's scripts drew less than they hold: of a share its first words, say."""
    return len("".join(drawn.text.split())) < len("".join(written.text.split()))


def _served(outline: Outline) -> Body:
    """Return the inner HTML of the last #js_content, with the addresses that images are loaded from."""
    if outline.body is None or len(outline.body) > MAX_BODY:
        return Body()
    return _body_of_html(outline.body)


def _body_of_html(markup: str) -> Body:
    text = text_of_html(markup)
    found = find_elements(markup)
    players = sum(element.name in _PLAYERS for element in found.elements)
    return Body(text, tuple(found.images), players, markup, tuple(found.elements))


def _body_of_words(words: str, images: tuple[str, ...] = (), players: int = 0) -> Body:
    """Return the body of a text in the page's state, which may be HTML or plain text."""
    markup = words[:MAX_BODY]
    elements = tuple(find_elements(markup).elements)
    return Body(text_of(markup), images, players, markup if is_html(markup) else "", elements)


def _with_listed(drawn: tuple[str, ...], state: PageState) -> tuple[str, ...]:
    """Return the images of the page's own list, which has them in full size, then those only the body has."""
    listed = _listed_pictures(state)
    known = {sizeless_path(url) for url in listed}
    return (*listed, *(url for url in drawn if sizeless_path(url) not in known))


def _listed_pictures(state: PageState) -> tuple[str, ...]:
    """Only the first address of each: a picture also carries those of its watermark and share cover."""
    return listed_addresses(state, *_PICTURE_LISTS)


def listed_addresses(state: PageState, *names: str) -> tuple[str, ...]:
    """Return the addresses in the first of these lists that the page has."""
    return tuple(clean_url(str(item["cdn_url"])) for item in state.items(*names) if item.get("cdn_url"))


def listed_pictures(state: PageState) -> list[dict[str, Any]]:
    """Return the page's own list of its pictures."""
    return state.items(*_PICTURE_LISTS)


def _from_state(state: PageState) -> Body:
    content = state.get("data.content_noencode")
    if not isinstance(content, str):
        return Body()
    found = _body_of_html(content[:MAX_BODY])
    return found if is_html(content) else replace(found, text=text_of_plain(content), html="")


def _shared(kind: Kind, outline: Outline) -> Body:
    """Return the post that a share shows: before 2025-11 in a script of HTML, in older ones only a notice."""
    if kind is not Kind.SHARE or len(outline.shared) > MAX_BODY:
        return Body()
    return _body_of_html(outline.shared) if outline.shared.strip() else Body(_written_text(outline))


def _written_text(outline: Outline) -> str:
    """Return the text a page writes into itself: `document.write("…".replace(…))` in the share notice."""
    served = _scripts_in(outline.body or "")
    for raw in outline.scripts:
        if len(raw) > MAX_NOTICE_SCRIPT or not (b"share_notice" in raw or raw in served):
            continue
        match = _WRITTEN.search(raw.decode("utf-8", "replace"))
        if match and match[1]:
            return text_of_plain(html_decode(unescape_js(match[1])))
    return ""


def _scripts_in(markup: str) -> frozenset[bytes]:
    served = markup.encode()
    return frozenset(
        served[token.end : token.inner_end] for token in tokens(served) if token.inner_end > token.end
    )


def _picture(state: PageState, outline: Outline) -> Body:
    images = _listed_pictures(state)
    if not images and outline.body:  # the form of 2018
        served = _body_of_html(outline.body)
        return replace(served, text=_written_text(outline) or served.text, players=0)
    words = state.get("data.content_noencode")
    return _body_of_words(words, images) if isinstance(words, str) else Body(_described(state), images)


def _plain_text(state: PageState) -> Body:
    page = state.mapping("data.text_page_info")
    words = page.get("content_noencode") or state.get(
        "data.content_noencode", "ContentNoEncode", "TextContentNoEncode"
    )
    listed = [item.get("cdn_url") for item in page.get("picture_info") or [] if isinstance(item, dict)]
    images = tuple(clean_url(url) for url in listed if isinstance(url, str) and url)
    return _body_of_words(words, images) if isinstance(words, str) else Body(_described(state), images)


def _described(state: PageState) -> str:
    """Return the text of a post that the page has only as its description: plain text with HTML escapes."""
    return text_of_plain(state.text("data.desc", "desc", "msg_desc")[:MAX_BODY])


def _player(state: PageState, description: str) -> Body:
    """Video, audio and the like: the words about it; what is played counts as body."""
    words = state.get("data.content_noencode", "videoContentNoEncode", "ContentNoEncode")
    played = state.get("vid", "voiceid", "data.video_ids", "data.video_page_infos", "data.voice_in_appmsg")
    info = state.mapping("data.video_page_info")
    players = int(bool(played or info.get("mp_video_trans_info") or info.get("video_id")))
    if isinstance(words, str):
        return _body_of_words(words, (), players)
    return Body(_described(state) or text_of_plain(description), (), players)

"""Parses a page: from the bytes of a capture to its outcome, kind and post. No I/O, no clock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from archive.domain.addresses import MAX_STYLE_SHEETS, clean_url, style_sheet_addresses
from archive.domain.captures import CaptureData
from archive.domain.errors import error_message
from archive.domain.messages import Message
from archive.domain.outcomes import Kind, Outcome
from archive.domain.parsed_page import LinkRef, MediaRef, ParsedPage, unreadable
from archive.domain.records import Record
from archive.domain.text import unescape
from crawler.parse.body import Body, find_body, find_kind
from crawler.parse.copies import DIFFER, compare_copies
from crawler.parse.html_outline import Outline, TooManyTags, is_garbled, outline, to_utf8
from crawler.parse.identity import Identity, find_identity
from crawler.parse.links import find_links
from crawler.parse.media import find_media, find_players, players_by_name
from crawler.parse.metadata import PostHead, identity_facts, payment_facts, post_facts, read_head
from crawler.parse.notices import MAX_NOTICE, Notice, is_challenge, read_notice, read_whole_notice, shown_text
from crawler.parse.response import header, is_mixed, is_whole_without_end, saved_from
from crawler.parse.script_state import PageState, known

MAX_TITLE = 1000  # characters; WeChat allows as many words in a post without a title

# Their authors need not give a title. WeChat's own pages of text posts then have all of their words for one.
_UNTITLED = frozenset({Kind.PICTURE, Kind.TEXT, Kind.SHORT})

_TAG = re.compile(r"<[^<>]{0,2000}>")


def title_of_words(kind: Kind, text: str) -> str:
    """Return the title of a post without one, its words as WeChat's pages have them; empty without words."""
    if kind not in _UNTITLED:
        return ""
    words = unescape(_TAG.sub("", text).replace("\r", "\n"))
    return words.strip()[:MAX_TITLE].strip()


def missing_fields(identity: Identity, title: str, account: str) -> list[str]:
    """Return the names of the fields without which a post's page makes no record, in the record's order."""
    found = {
        "biz": identity.biz,
        "mid": identity.mid,
        "idx": identity.idx,
        "title": title,
        "time": identity.published_at,
        "account": account,
    }
    return [name for name, value in found.items() if not value]


MAX_PAGE = 16 * 1024 * 1024  # bytes; the limit of downloads, here also for files that are imported

MAX_MARKUP = 1024 * 1024  # characters outside scripts and body; real pages have under 60,000

MAX_NOTICE_TAGS = 3000  # real notices have under 300

_PLAYED = frozenset({Kind.VIDEO, Kind.AUDIO, Kind.MUSIC, Kind.SHORT})

# Error pages have no PAGE_MID or one of these; others are whole pages of their own (album, about, profile).
_NOTICE_TEMPLATES = ("appmsg/", "pages/common_share", "msg", "error", "rumor", "verify.html")

# On pages of these templates #js_content is a frame with the account's name, filled by scripts.
_FRAME_MID = "pages/common_share"

_SHELL = re.compile(r"""<div(?=[^<>]*?\bid=["']?app)[^<>]*+>\s*+</div>""")

_TOO_MANY_REQUESTS = 429

_VERBATIM = "archive.verbatim"  # code of text that is no message of ours

SHOWN_TEXT = "text"  # the name of the shown text among the evaluated values

AGREES = "rendered_agrees"  # the fact: which share of the text, 0 to 1, was shown

AGREEMENT = 0.9  # of the text; a little is rendered differently from its source, such as names of players

REPLACED = 0.5  # less than this of the text beside a notice: the notice is shown instead of the text

MAX_PIECES = 3000  # sentences searched for, the first ones; real posts have under 1000

MAX_SHOWN = 500_000  # characters they are searched for in; real pages show under 50,000

# A sentence ends, or an emoticon image stands in it, which the text has as "[name]".
_PIECES = re.compile(r"[\r\n。！？!?；;]+|\[[^\[\]\s]{1,8}\]")

_NOT_LETTERS = re.compile(r"\W+")


@dataclass(frozen=True)
class PostParts:
    """The parts of a post's page."""

    page: Outline
    state: PageState
    head: PostHead
    identity: Identity
    kind: Kind
    body: Body
    copies: dict[str, str]  # AGREE by the name of each value that the page holds more than once


def classify(capture: CaptureData) -> ParsedPage:
    """Parse a capture; under an error status or a redirect it is never a post.

    A page on which the parser fails is unreadable, for that reason. Raises MemoryError and OSError.
    """
    try:
        if capture.status == _TOO_MANY_REQUESTS:
            return ParsedPage(Outcome.RATE_LIMITED, _status_reason(capture))
        content_type = header(capture.headers, "content-type")
        page = read_page(capture.body, capture.final_url, content_type, capture.evaluated)
        return page if capture.status == 200 else _under_error_status(capture, page)
    except (MemoryError, OSError):
        raise
    except Exception as error:
        return unreadable(error_message(error))


def _under_error_status(capture: CaptureData, page: ParsedPage) -> ParsedPage:
    if page.outcome.blocks:
        return page
    if page.outcome is Outcome.ARTICLE or not page.reason:
        return ParsedPage(Outcome.UNKNOWN, _status_reason(capture))
    if capture.status >= 500 or 300 <= capture.status < 400:
        return replace(page, outcome=Outcome.UNKNOWN, reason=_status_reason(capture), record=None)
    return page


def _status_reason(capture: CaptureData) -> str:
    values = {name: header(capture.headers, name.lower())[:200] for name in ("Location", "Retry-After")}
    headers = [f"{name}: {value}" for name, value in values.items() if value]
    if headers:
        return _reason("crawler.parse.status_and_headers", status=capture.status, headers=headers)
    return _reason("crawler.parse.status", status=capture.status)


def _reason(code: str, **params: Any) -> str:
    return Message(code, params).dump()


def read_page(
    body: bytes,
    url: str | None = None,
    content_type: str | None = None,
    evaluated: Mapping[str, Any] | None = None,
) -> ParsedPage:
    """Parse the bytes of a page.

    `url` is the final address of the page: it shows a challenge, and the ids that old pages leave out.
    `content_type` is the header's value, used only where the bytes are not UTF-8. `evaluated` holds the final
    values of the scripts of a rendered page, and under `text` the text that it showed.
    """
    if not body.strip():
        return ParsedPage(Outcome.UNKNOWN, _reason("crawler.parse.empty"))
    if len(body) > MAX_PAGE:
        reason = _reason("crawler.parse.too_large", size=len(body), limit=MAX_PAGE)
        return ParsedPage(Outcome.UNKNOWN, reason)
    if body.lstrip()[:1] in (b"{", b"["):
        return ParsedPage(Outcome.UNKNOWN, _reason("crawler.parse.json"))
    served = to_utf8(body, content_type)
    if reason := _encoding_fault(body, served):
        return ParsedPage(Outcome.UNKNOWN, reason)
    try:
        return _read(served, url, evaluated or {})
    except TooManyTags as error:
        return ParsedPage(Outcome.UNKNOWN, error.message.dump())


def _encoding_fault(body: bytes, served: bytes) -> str:
    if is_garbled(served):
        return _reason("crawler.parse.garbled")
    return _reason("crawler.parse.two_encodings") if is_mixed(body, served) else ""


def _read(served: bytes, url: str | None, evaluated: Mapping[str, Any]) -> ParsedPage:
    saved_url = saved_from(served)
    url = url or saved_url
    page = outline(served)
    page.complete = page.complete or is_whole_without_end(served, page.body)
    if len(page.markup) > MAX_MARKUP:
        reason = _reason("crawler.parse.too_much_markup", size=len(page.markup), limit=MAX_MARKUP)
        return ParsedPage(Outcome.UNKNOWN, reason)
    state = PageState(page.scripts, evaluated)
    if is_challenge(url, state.page_mid):
        return ParsedPage(Outcome.VERIFICATION, _reason("crawler.parse.challenge"), page=_page_facts(state))
    if page.has_article:
        found = compare_with_shown(_read_post(page, state, url, saved_url), evaluated.get(SHOWN_TEXT))
    else:
        found = _read_notice(page, state)
    return replace(found, style_sheets=tuple(style_sheet_addresses(page.markup)[:MAX_STYLE_SHEETS]))


def _page_facts(state: PageState) -> dict[str, Any]:
    return {"template": state.page_mid} if state.page_mid else {}


def _read_post(page: Outline, state: PageState, url: str | None, saved_url: str | None) -> ParsedPage:
    """Parse a page of a post's template. It is an article only when it is complete and has a body."""
    head = read_head(page, state)
    own_links = (head.meta.get("og:url", ""), saved_url or "")
    identity = find_identity(state, url, own_links, head.shown_times)
    if _FRAME_MID in state.page_mid and not state.drawn:
        page.body, page.body_in_page = None, False
    kind = find_kind(state, page)
    if not page.complete:
        return _no_article(_reason("crawler.parse.cut_off"), identity, state)
    if kind is None:
        return _no_article(_reason("crawler.parse.unknown_kind"), identity, state, needs_browser=True)
    body = find_body(kind, state, page, head.meta.get("description", ""))
    if not body and payment_facts(state, page.body or "")["paid"]:
        return _no_article(_reason("crawler.parse.no_preview"), identity, state)
    if not body:
        reason = _reason("crawler.parse.no_body", kind=Message(f"crawler.parse.kind.{kind}"))
        return _no_article(reason, identity, state, needs_browser=True)
    copies = compare_copies(state, page, head.marked, kind)
    if not head.title:
        head = replace(head, title=title_of_words(kind, body.text))
    return _judge(PostParts(page, state, head, identity, kind, body, copies))


def _judge(post: PostParts) -> ParsedPage:
    """Make an article of a page, unless its copies differ, its body is a notice or a field is missing."""
    if differing := [name for name, found in post.copies.items() if found == DIFFER]:
        names = [Message(f"crawler.parse.field.{name}") for name in differing]
        reason = _reason("crawler.parse.copies_differ", fields=names)
        found = _no_article(reason, post.identity, post.state)
        return replace(found, page={**found.page, "copies": post.copies})
    if notice := _notice_in_place_of(post):
        facts = {**_page_facts(post.state), "notice": notice.reason}
        return ParsedPage(notice.outcome, notice.reason, page=facts)
    if missing := missing_fields(post.identity, post.head.title, post.head.account):
        return _incomplete(post, missing)
    return _article(post)


def _notice_in_place_of(post: PostParts) -> Notice | None:
    """Return the notice in a body's place; UNKNOWN beside images or players, where nobody can tell."""
    body = post.body
    drawings = sum(element.name == "svg" for element in body.elements)  # an icon beside the notice
    if body.images or body.players > drawings:
        is_caption = post.kind not in (Kind.ARTICLE, Kind.SHARE, Kind.TEXT)
        notice = None if is_caption else read_whole_notice(body.text)
        return Notice(Outcome.UNKNOWN, notice.reason) if notice else None
    return read_whole_notice(body.text)


def _incomplete(post: PostParts, missing: list[str]) -> ParsedPage:
    """Report a post whose page lacks what a record needs, with all that it says."""
    names = [Message(f"crawler.parse.field.{name}") for name in missing]
    facts = {"title": post.head.title, "account": post.head.account, "text": post.body.text}
    facts |= post_facts(post.identity, post.kind, post.state, post.body, post.head.meta)
    reason = _reason("crawler.parse.article_without", fields=names)
    return ParsedPage(Outcome.UNKNOWN, reason, page={**known(facts), "missing": missing})


def _no_article(reason: str, identity: Identity, state: PageState, needs_browser: bool = False) -> ParsedPage:
    facts = {name: value for name, value in identity_facts(identity, state).items() if value}
    return ParsedPage(Outcome.UNKNOWN, reason, page=facts, needs_browser=needs_browser)


def _article(post: PostParts) -> ParsedPage:
    identity, body = post.identity, post.body
    players = find_players(post.state, body.elements)
    stated = post_facts(identity, post.kind, post.state, body, post.head.meta) | players_by_name(players)
    covers = {"": stated.get("cover", ""), **stated.get("covers", {})}
    media = find_media(post.state, body, covers, players)
    links = find_links(stated, post.state, post.page, body.elements)
    facts = {"title": post.head.title, "account": post.head.account, **stated, **_listed(media, links)}
    if post.copies:
        facts["copies"] = post.copies
    return ParsedPage(
        outcome=Outcome.ARTICLE,
        kind=post.kind,
        record=_record(post),
        biz=identity.biz,
        published_at=identity.published_at,
        needs_browser=post.kind in _PLAYED and not body.text,
        page=facts,
        html=body.html,
        media=media,
        links=links,
    )


def _listed(media: tuple[MediaRef, ...], links: tuple[LinkRef, ...]) -> dict[str, Any]:
    """Return media and links as JSON values; instants are ISO 8601."""
    lists = {"media": list(map(_as_dict, media)), "links": list(map(_as_dict, links))}
    return {name: found for name, found in lists.items() if found}


def _as_dict(found: MediaRef | LinkRef) -> dict[str, Any]:
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    if instant := values.get("expires_at"):
        values["expires_at"] = instant.isoformat()
    return {**known(values), "position": found.position}


def _record(post: PostParts) -> Record:
    identity, head = post.identity, post.head
    return Record(
        aid=identity.aid,
        title=head.title,
        url=identity.url,
        date=identity.date,
        account=head.account,
        text=post.body.text,
    )


def _read_notice(page: Outline, state: PageState) -> ParsedPage:
    """Parse a page that is no post's, by the text it shows, including what its scripts write into it."""
    facts = _page_facts(state)
    if state.page_mid and not any(part in state.page_mid for part in _NOTICE_TEMPLATES):
        reason = _reason("crawler.parse.other_template", template=state.page_mid)
        return ParsedPage(Outcome.UNKNOWN, reason, page=facts)
    if page.tags > MAX_NOTICE_TAGS:
        return ParsedPage(Outcome.UNKNOWN, _reason("crawler.parse.no_post", n=page.tags), page=facts)
    notice = read_notice(shown_text(page))
    target = clean_url(state.text("transferTargetLink", "transfer_target_link"))
    if target.startswith("http"):
        facts["moved_to"] = target
        notice = Notice(Outcome.MIGRATED, notice.reason) if notice.outcome is Outcome.UNKNOWN else notice
    if notice.reason:
        facts["notice"] = notice.reason
    reason = _own_words(notice.reason) if notice.reason else _reason("crawler.parse.nothing_shown")
    shell = notice.outcome is Outcome.UNKNOWN and bool(_SHELL.search(page.markup))
    return ParsedPage(notice.outcome, reason, page=facts, needs_browser=shell)


def _own_words(words: str) -> str:
    """Return the page's own words as a reason; marked as such where they have the form of a message code."""
    loaded = Message.load(words)
    return words if loaded.code == _VERBATIM else Message(_VERBATIM, {"text": words}).dump()


def compare_with_shown(page: ParsedPage, shown: Any) -> ParsedPage:
    """Return a rendered page with the share of its text that the browser showed among its facts.

    A page that shows a notice instead of the text in its scripts is what the notice says, not an article.
    """
    if page.outcome is not Outcome.ARTICLE or not isinstance(shown, str):
        return page
    text = page.record.text if page.record else str(page.page.get("text", ""))
    share = shown_share(text, shown)
    if share < REPLACED and len(shown) <= MAX_NOTICE:
        notice = read_notice(shown)
        if notice.outcome is not Outcome.UNKNOWN:
            return ParsedPage(notice.outcome, _own_words(notice.reason), page={"notice": notice.reason})
    return replace(page, page={**page.page, AGREES: share})


def shown_share(text: str, shown: str) -> float:
    """Return which share of a text's sentences, by length in letters and digits, is in the text shown."""
    letters = _NOT_LETTERS.sub("", shown[:MAX_SHOWN])
    split = _PIECES.split(unescape(text), maxsplit=MAX_PIECES)[:MAX_PIECES]
    pieces = [piece for piece in (_NOT_LETTERS.sub("", one) for one in split) if piece]
    total = sum(map(len, pieces))
    return round(sum(len(piece) for piece in pieces if piece in letters) / total, 3) if total else 1.0

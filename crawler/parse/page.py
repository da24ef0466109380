"""Read one page: from bytes to outcome, kind and post."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from bs4 import BeautifulSoup
from bs4.filter import SoupStrainer

from archive.domain.addresses import clean_url
from archive.domain.outcomes import Kind, Outcome
from archive.domain.parsed_page import LinkRef, MediaRef, ParsedPage
from archive.domain.records import Record
from crawler.parse.body import Body, find_body, find_kind
from crawler.parse.field_values import known
from crawler.parse.html_outline import Outline, TooManyTags, is_garbled, outline, to_utf8
from crawler.parse.identity import Identity, find_identity
from crawler.parse.js_literals import unescape
from crawler.parse.links import find_links
from crawler.parse.media import find_media
from crawler.parse.metadata import identity_facts, post_facts
from crawler.parse.notices import MAX_NOTICE, Notice, is_challenge, read_notice
from crawler.parse.players import find_players, players_by_name
from crawler.parse.rendered import SHOWN, against_shown
from crawler.parse.script_state import PageState

MAX_PAGE = 16 * 1024 * 1024  # bytes; the download cap, held here again for files and archives

MAX_MARKUP = 1024 * 1024  # characters outside scripts and body; real pages have under 60,000

MAX_DRAWN = 64 * 1024  # characters that scripts write into a page of a notice; real ones write under 2000

MAX_NOTICE_TAGS = 3000  # real notices have under 300

_META = SoupStrainer("meta")

_HEADING, _OLD_HEADING = SoupStrainer("h1"), SoupStrainer("h2", id="activity-name")  # until 2019

_ACCOUNT, _OLD_ACCOUNT = SoupStrainer(id="js_name"), SoupStrainer(id="post-user")

_TEXT_ACCOUNT = SoupStrainer(class_=re.compile(r"^\s*wx_follow_nickname\b"))  # of a text post, in #js_content

_PLAYED = frozenset({Kind.VIDEO, Kind.AUDIO, Kind.MUSIC, Kind.SHORT})

_DRAWN = re.compile(r"""document\.write\(\s*(?:'((?:[^'\\]++|\\.)*+)'|"((?:[^"\\]++|\\.)*+)")""", re.S)

_HIDDEN = ".weui-a11y_ref, [style*='display:none'], [style*='display: none'], .weui-msg__extra-area"

_NOTICE = ".weui-msg__title, .weui-msg__desc, .mesg-block, .page_msg, .global_error_msg, .page_rumor"

# Error pages have no PAGE_MID or one of these; others are whole pages of their own (album, about, profile).
_NOTICE_TEMPLATES = ("appmsg/", "pages/common_share", "msg", "error", "rumor", "verify.html")

_SAVED = re.compile(rb"<!-- saved from url=\(\d{1,5}\)(https?://[^\s<>]{1,2000}) -->")

_SHELL = re.compile(r"""<div(?=[^<>]*?\bid=["']?app)[^<>]*+>\s*+</div>""")


@dataclass(frozen=True)
class Head:
    """What a post's page says outside its body; `meta` by name or property, the first of each."""

    title: str
    account: str
    meta: dict[str, str]


@dataclass(frozen=True)
class Post:
    """What a post's page was taken apart into."""

    page: Outline
    state: PageState
    head: Head
    identity: Identity
    kind: Kind
    body: Body


def read_page(
    body: bytes,
    url: str | None = None,
    content_type: str | None = None,
    evaluated: Mapping[str, Any] | None = None,
) -> ParsedPage:
    """Say what a page is and what it says; never raises, whatever the bytes.

    `url` is the final address the page came from: it tells a challenge, and the ids old pages leave out.
    `content_type` is the header's value, used only where the bytes are not UTF-8. `evaluated` is what the
    scripts of a page that a browser drew held in the end, and under `text` the words it showed.
    """
    if not body.strip():
        return ParsedPage(Outcome.UNKNOWN, "the answer is empty")
    if len(body) > MAX_PAGE:
        return ParsedPage(Outcome.UNKNOWN, f"the answer has {len(body)} bytes, more than {MAX_PAGE}")
    if body.lstrip()[:1] in (b"{", b"["):
        return ParsedPage(Outcome.UNKNOWN, "the answer is JSON, not a page")
    served = to_utf8(body, content_type)
    if is_garbled(served):
        return ParsedPage(Outcome.UNKNOWN, "most of its characters are in an encoding that it does not tell")
    try:
        return _read(served, url, evaluated or {})
    except TooManyTags as error:
        return ParsedPage(Outcome.UNKNOWN, f"the page has {error}; no post has")


def _read(served: bytes, url: str | None, evaluated: Mapping[str, Any]) -> ParsedPage:
    url = url or _saved_from(served)
    page = outline(served)
    if len(page.markup) > MAX_MARKUP:
        return ParsedPage(
            Outcome.UNKNOWN, f"the page has {len(page.markup)} characters of markup; no post has"
        )
    state = PageState(page.scripts, evaluated)
    if is_challenge(url, state.page_mid):
        return ParsedPage(Outcome.VERIFICATION, "the server asks for verification", page=_page_facts(state))
    if page.has_article:
        return against_shown(_read_post(page, state, url), evaluated.get(SHOWN))
    return _read_notice(page, state)


def _saved_from(served: bytes) -> str | None:
    """Browsers write the address into the head of a page they save."""
    found = _SAVED.search(served[:4096])
    return found[1].decode("utf-8", "replace") if found else None


def _page_facts(state: PageState) -> dict[str, Any]:
    return {"template": state.page_mid} if state.page_mid else {}


def _read_post(page: Outline, state: PageState, url: str | None) -> ParsedPage:
    """A page of a post's template. It is an article only when all of it came, and it has a body."""
    head = _read_head(page, state)
    identity = find_identity(state, url, head.meta.get("og:url", ""))
    kind = find_kind(state, page)
    if not page.complete:
        return _unread("the page ends before </html>: only half of it was received", identity, state)
    if kind is None:
        return _unread("a post of a type this version does not know", identity, state, needs_browser=True)
    body = find_body(kind, state, page, head.meta.get("description", ""))
    if not body:
        return _unread(
            f"a {kind} post without a body in the served page", identity, state, needs_browser=True
        )
    if not identity.biz:
        return _unread("a post's page that does not name its account", identity, state)
    return _article(Post(page, state, head, identity, kind, body))


def _unread(reason: str, identity: Identity, state: PageState, needs_browser: bool = False) -> ParsedPage:
    facts = {name: value for name, value in identity_facts(identity, state).items() if value}
    return ParsedPage(Outcome.UNKNOWN, reason, page=facts, needs_browser=needs_browser)


def _article(post: Post) -> ParsedPage:
    identity, body = post.identity, post.body
    record = _record(post) if identity.is_complete and post.head.title and post.head.account else None
    players = find_players(post.state, body.elements)
    told = post_facts(identity, post.kind, post.state, body, post.head.meta) | players_by_name(players)
    covers = {"": told.get("cover", ""), **told.get("covers", {})}
    media = find_media(post.state, body, covers, players)
    links = find_links(told, post.state, post.page, body.elements)
    facts = {"title": post.head.title, "account": post.head.account, **told, **_listed(media, links)}
    return ParsedPage(
        outcome=Outcome.ARTICLE,
        reason="" if record else "the page does not say which post it is; give its address",
        kind=post.kind,
        record=record,
        biz=identity.biz,
        published_at=identity.published_at,
        needs_browser=post.kind in _PLAYED and not body.text,
        page=facts if record else {**facts, "text": body.text},
        html=body.html,
        media=media,
        links=links,
    )


def _listed(media: tuple[MediaRef, ...], links: tuple[LinkRef, ...]) -> dict[str, Any]:
    """Media and links as JSON values; instants are ISO 8601."""
    lists = {"media": list(map(_as_dict, media)), "links": list(map(_as_dict, links))}
    return {name: found for name, found in lists.items() if found}


def _as_dict(found: MediaRef | LinkRef) -> dict[str, Any]:
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    if instant := values.get("expires_at"):
        values["expires_at"] = instant.isoformat()
    return {**known(values), "position": found.position}


def _record(post: Post) -> Record:
    identity, head = post.identity, post.head
    return Record(
        aid=identity.aid,
        title=head.title,
        url=identity.url,
        date=identity.date,
        account=head.account,
        text=post.body.text,
    )


def _read_head(page: Outline, state: PageState) -> Head:
    soup = BeautifulSoup(page.markup.partition("</head>")[0], "lxml", parse_only=_META)
    meta: dict[str, str] = {}
    for tag in soup.find_all("meta"):
        name, content = tag.get("property") or tag.get("name"), tag.get("content")
        if isinstance(name, str) and isinstance(content, str) and content:
            meta.setdefault(name, content)
    return Head(_title(state, meta, page), _account(state, page), meta)


def _title(state: PageState, meta: dict[str, str], page: Outline) -> str:
    written = state.text("data.title", "msg_title", "title")
    if written.strip():
        return written
    marked = (_text_of(page.markup, wanted) for wanted in (_OLD_HEADING, _HEADING))
    return meta.get("og:title", "").strip() or next(filter(None, marked), "")


def _account(state: PageState, page: Outline) -> str:
    written = state.text("nickname", "nick_name", "data.nick_name", "name")
    if written:
        return written
    marked = (_text_of(page.markup, wanted) for wanted in (_ACCOUNT, _OLD_ACCOUNT, _TEXT_ACCOUNT))
    return next(filter(None, marked), "") or _text_of(page.body or "", _TEXT_ACCOUNT)


def _text_of(markup: str, wanted: SoupStrainer) -> str:
    """The words of the first such element that has any."""
    soup = BeautifulSoup(markup, "lxml", parse_only=wanted)
    words = (found.get_text(" ", strip=True) for found in soup.find_all(True, recursive=False))
    return next(filter(None, words), "")


def _read_notice(page: Outline, state: PageState) -> ParsedPage:
    """A page that is no post's: judged by what it shows, also by what it writes into itself."""
    facts = _page_facts(state)
    if state.page_mid and not any(part in state.page_mid for part in _NOTICE_TEMPLATES):
        return ParsedPage(Outcome.UNKNOWN, f"a page of the template {state.page_mid}, not a post", page=facts)
    if page.tags > MAX_NOTICE_TAGS:
        return ParsedPage(Outcome.UNKNOWN, f"a page of {page.tags} tags and no post", page=facts)
    notice = read_notice(_shown(page))
    target = clean_url(state.text("transferTargetLink", "transfer_target_link"))
    if target.startswith("http"):
        facts["moved_to"] = target
        notice = Notice(Outcome.MIGRATED, notice.reason) if notice.outcome is Outcome.UNKNOWN else notice
    if notice.reason:
        facts["notice"] = notice.reason
    reason = notice.reason or "the page shows no words and holds no post"
    shell = notice.outcome is Outcome.UNKNOWN and bool(_SHELL.search(page.markup))
    return ParsedPage(notice.outcome, reason, page=facts, needs_browser=shell)


def _shown(page: Outline) -> str:
    """The words a reader sees: of the notice, where the page marks one, else all of a page of few words."""
    soup = BeautifulSoup(page.markup + _drawn(page), "lxml")
    for hidden in soup.select(_HIDDEN):
        hidden.extract()
    marked = _few_words(piece for found in soup.select(_NOTICE) for piece in found.stripped_strings)
    words = _few_words(soup.stripped_strings) if marked == "" else marked
    return words or ""


def _few_words(pieces: Iterable[str]) -> str | None:
    """The pieces as one text; None where that is too long for a notice."""
    found: list[str] = []
    length = 0
    for piece in pieces:
        found.append(piece)
        length += len(piece) + 1
        if length > MAX_NOTICE + 1:
            return None
    return " ".join(found)


def _drawn(page: Outline) -> str:
    """The markup that the page's scripts write into it; none where it is more than a notice's could be."""
    drawn: list[str] = []
    length = 0
    for script in page.scripts:
        if b"document.write" not in script:
            continue
        for found in _DRAWN.finditer(script.decode("utf-8", "replace")):
            drawn.append(unescape(found[1] or found[2] or ""))
            length += len(drawn[-1])
            if length > MAX_DRAWN:
                return ""
    return "".join(drawn)

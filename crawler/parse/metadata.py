"""Collects everything else a post's page says, as JSON values: author, cover, album, region and so on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bs4 import BeautifulSoup
from bs4.filter import SoupStrainer

from archive.domain.addresses import clean_url
from archive.domain.outcomes import Kind
from crawler.parse.body import PREVIEW_MARK, Body, copyright_stat, text_of_html
from crawler.parse.copies import MarkedCopies
from crawler.parse.html_outline import Outline
from crawler.parse.identity import Identity
from crawler.parse.script_state import PageState, link_address, plain


def post_facts(
    identity: Identity, kind: Kind, state: PageState, body: Body, meta: dict[str, str]
) -> dict[str, Any]:
    """Return the facts of a post's page. Instants are ISO 8601 in UTC, `ct` and `svr_time` Unix seconds."""
    comment_id = state.text("data.comment_id", "comment_id")
    facts: dict[str, Any] = {
        **identity_facts(identity, state),
        "kind": kind.value,
        "author": state.text("data.author", "author") or meta.get("author", ""),
        "digest": state.text("data.desc", "msg_desc", "desc") or meta.get("description", ""),
        "cover": _address(state, "data.cdn_url", "msg_cdn_url", "cdn_url")
        or clean_url(meta.get("og:image", "")),
        "covers": _covers(state),
        "original": copyright_stat(state) == 1,
        "copyright_stat": copyright_stat(state),
        "source_url": _address(state, "data.source_url", "msg_source_url"),
        "link": _address(state, "data.link", "msg_link") or clean_url(meta.get("og:url", "")),
        "comment_id": "" if comment_id == "0" else comment_id,
        "svr_time": state.number("data.svr_time", "svr_time"),
        "region": _region(state),
        **payment_facts(state, body.html),
        "album": _album(state),
        "albums": _albums(state),
        "reprint": _reprint(state),
        "images": list(body.images),
    }
    return {name: value for name, value in facts.items() if value not in ("", None, [], {})}


_PAID = ("data.is_pay_subscribe", "is_pay_subscribe", "isPaySubscribe")

_BOUGHT = ("data.is_paid", "isPaid")


def payment_facts(state: PageState, html: str) -> dict[str, bool]:
    """Return whether a post is paid and, where it is, whether its page has no more than the free preview.

    The page of somebody who bought the post has all of it, and may have the mark of the preview within it.
    """
    *_, rest = parts = PREVIEW_MARK.split(html)
    if len(parts) == 1 and not any(state.number(name) for name in _PAID):
        return {"paid": False}
    is_bought = any(state.number(name) for name in _BOUGHT) or state.mapping("data.user_info").get("is_paid")
    has_rest = len(parts) > 1 and (bool(Body(text_of_html(rest))) or "<img" in rest)
    return {"paid": True, "preview": not is_bought and not has_rest}


def identity_facts(identity: Identity, state: PageState) -> dict[str, Any]:
    """Return the ids as the page has them, also for a page that is no post but names one."""
    published = identity.published_at
    return {
        "biz": identity.biz,
        "mid": identity.mid,
        "idx": identity.idx,
        "sn": identity.sn,
        "ct": int(published.timestamp()) if published else None,
        "published_at": published.isoformat().replace("+00:00", "Z") if published else "",
        "user_name": state.text("user_name", "data.user_name"),
        "alias": state.text("data.alias", "alias"),
        "item_show_type": state.number("item_show_type", "data.item_show_type"),
        "template": state.page_mid,
    }


def _address(state: PageState, *names: str) -> str:
    value = state.get(*names)
    return clean_url(value) if isinstance(value, str) else ""


def _covers(state: PageState) -> dict[str, str]:
    ratios = {"1:1": "cdn_url_1_1", "2.35:1": "cdn_url_235_1", "16:9": "cdn_url_16_9", "3:4": "cdn_url_3_4"}
    found = {ratio: _address(state, f"data.{name}", name) for ratio, name in ratios.items()}
    return {ratio: url for ratio, url in found.items() if url}


def _region(state: PageState) -> dict[str, str]:
    written = state.mapping("data.ip_wording", "ip_wording")
    names = {"country": ("country_name", "countryName"), "province": ("province_name", "provinceName"),
             "city": ("city_name", "cityName")}  # fmt: skip
    found = {name: str(written.get(new) or written.get(old) or "") for name, (new, old) in names.items()}
    return {name: value for name, value in found.items() if value}


def _album(state: PageState) -> dict[str, Any]:
    """Return the album the post belongs to, with its neighbours there (their addresses carry chksm)."""
    info = state.mapping("data.appmsgalbuminfo", "appmsgalbuminfo")
    if not info:
        return _first_album(state)
    found = {
        "id": str(info.get("album_id_str") or info.get("album_id") or ""),
        "title": plain(info, "title"),
        "link": link_address(info, "link"),
        "size": info.get("content_size"),
        **_neighbours(info),
    }
    return (
        {name: value for name, value in found.items() if value not in ("", None, {})} if found["id"] else {}
    )


def _first_album(state: PageState) -> dict[str, Any]:
    """Pages before 2025-11 name the neighbours by themselves."""
    found = next(iter(_albums(state)), {})
    kept = state.mapping("album_keep_read_info")
    return {**found, **_neighbours(kept)} if found and kept.get("album_id") == found["id"] else found


def _neighbours(info: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    sides = {"previous": "pre", "next": "next"}
    return {
        name: {"title": plain(info, f"{side}_article_title"), "link": address}
        for name, side in sides.items()
        if (address := link_address(info, f"{side}_article_link"))
    }


def _albums(state: PageState) -> list[dict[str, Any]]:
    """All albums and collections the page lists the post under."""
    tags = state.mapping("data.public_tag_info").get("tags") or []
    listed = state.items("album_info_list") + [tag for tag in tags if isinstance(tag, dict)]
    found: dict[str, dict[str, Any]] = {}
    for item in listed:
        address = link_address(item, "link") or link_address(item, "tag_link")
        album_id = str(item.get("albumId") or item.get("album_id") or item.get("id") or _album_id(address))
        if album_id and album_id != "0":
            title = plain(item, "title") or plain(item, "tag_name")
            found.setdefault(album_id, {"id": album_id, "title": title, "link": address})
    return list(found.values())


def _album_id(address: str) -> str:
    try:
        return dict(parse_qsl(urlsplit(address).query)).get("album_id", "")
    except ValueError:
        return ""


def _reprint(state: PageState) -> dict[str, str]:
    """Whose post this one is, where it is another account's."""
    if copyright_stat(state) != 2:
        return {}
    info = state.mapping("data.copyright_info")
    found = {
        "platform": plain(info, "platform"),
        "url": link_address(info, "reprint_url"),
        "user_name": plain(info, "source_username") or state.text("source_username"),
        "biz": plain(info, "source_encode_biz") or state.text("source_encode_biz"),
        "mid": str(info.get("source_mid") or state.text("source_mid")),
        "idx": str(info.get("source_idx") or state.text("source_idx")),
        "words": plain(info, "guide_words"),
    }
    return {name: value for name, value in found.items() if value}


_META = SoupStrainer("meta")

_TITLE_ID, _ACCOUNT_IDS, _TIME_IDS = "activity-name", ("js_name", "post-user"), ("publish_time", "post-date")

_MARKED = SoupStrainer(id=[_TITLE_ID, *_ACCOUNT_IDS, *_TIME_IDS])

_HEADING, _OLD_HEADING = SoupStrainer("h1"), SoupStrainer("h2", id=_TITLE_ID)  # until 2019

_PROFILE_ACCOUNT = SoupStrainer(class_=re.compile(r"^\s*profile_nickname\b"))

_TEXT_ACCOUNT = SoupStrainer(class_=re.compile(r"^\s*wx_follow_nickname\b"))  # of a text post, in #js_content

_TIME_PROPERTIES = ("article:published_time", "og:article:published_time", "og:release_date")


@dataclass(frozen=True)
class PostHead:
    """What a post's page says outside its body; `meta` by name or property, the first of each."""

    title: str
    account: str
    meta: dict[str, str]
    marked: MarkedCopies
    shown_times: tuple[str, ...]  # as a reader sees them, most of them empty on a page as it is served


def read_head(page: Outline, state: PageState) -> PostHead:
    """Return what a post's page says outside its body."""
    head = _Head(page)
    accounts = tuple(head.marked[name] for name in _ACCOUNT_IDS if name in head.marked)
    marked = MarkedCopies(
        titles=(head.meta.get("og:title", ""), head.marked.get(_TITLE_ID, "")),
        accounts=accounts or (_followed_account(state, head),),
        links=(head.meta.get("og:url", ""),),
    )
    shown = (head.marked.get(name, "") for name in _TIME_IDS)
    times = (*shown, *(head.meta.get(name, "") for name in _TIME_PROPERTIES))
    return PostHead(_title(state, head), _account(state, head), head.meta, marked, times)


class _Head:
    """The markup of a page outside its body, each part of it parsed once."""

    def __init__(self, page: Outline) -> None:
        self.page = page

    @cached_property
    def meta(self) -> dict[str, str]:
        soup = BeautifulSoup(self.page.markup.partition("</head>")[0], "lxml", parse_only=_META)
        found: dict[str, str] = {}
        for tag in soup.find_all("meta"):
            name, content = tag.get("property") or tag.get("name"), tag.get("content")
            if isinstance(name, str) and isinstance(content, str) and content:
                found.setdefault(name, content)
        return found

    @cached_property
    def marked(self) -> dict[str, str]:
        """The texts of elements by their id, the first of each that has any."""
        found: dict[str, str] = {}
        for tag in BeautifulSoup(self.page.markup, "lxml", parse_only=_MARKED).find_all(
            True, recursive=False
        ):
            if words := tag.get_text(" ", strip=True):
                found.setdefault(str(tag.get("id")), words)
        return found

    def text_of(self, *wanted: SoupStrainer) -> str:
        return next(filter(None, (_text_of(self.page.markup, one) for one in wanted)), "")


def _title(state: PageState, head: _Head) -> str:
    written = state.text("data.title", "msg_title", "title")
    if written.strip():
        return written
    return head.meta.get("og:title", "").strip() or head.text_of(_OLD_HEADING, _HEADING)


def _followed_account(state: PageState, head: _Head) -> str:
    """Return the name on the card to follow the account, which pages of pictures and texts have."""
    if state.text("nickname"):
        return ""
    return head.text_of(_TEXT_ACCOUNT) or _text_of(head.page.body or "", _TEXT_ACCOUNT)


def _account(state: PageState, head: _Head) -> str:
    written = state.text("nickname", "nick_name", "data.nick_name", "name")
    marked = next(filter(None, (head.marked.get(name, "") for name in _ACCOUNT_IDS)), "")
    if written or marked:
        return written or marked
    return _followed_account(state, head) or head.text_of(_PROFILE_ACCOUNT)


def _text_of(markup: str, wanted: SoupStrainer) -> str:
    """Return the text of the first such element that has any."""
    soup = BeautifulSoup(markup, "lxml", parse_only=wanted)
    words = (found.get_text(" ", strip=True) for found in soup.find_all(True, recursive=False))
    return next(filter(None, words), "")

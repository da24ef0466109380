"""Finds the links of a post: from its state first, then from its body in order."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

from archive.domain.addresses import HOST, PostAddress, clean_url, parse_address
from archive.domain.errors import AddressError
from archive.domain.outcomes import Relation
from archive.domain.parsed_page import LinkRef
from crawler.parse.elements import Element
from crawler.parse.html_outline import Outline
from crawler.parse.script_state import MAX_ADDRESS, PageState, known, link_address, plain, web_url, words

MAX_LINKS = 2000  # of one post, and of the elements looked at for them; real posts have under 100

_PROFILES = frozenset({"mp-common-profile", "mpprofile"})

_MINI = "data-miniprogram-"

_REPRINTED = re.compile(r"""<[^<>]{0,500}\bid=["']js_share_source["'][^<>]{0,500}>""")

_TAGGED = re.compile(r"""<div[^<>]{0,300}article-tag__item-wrp[^<>]{0,1500}>(.{0,900}?)</div>""", re.S)

_ALBUM_ID = re.compile(r"[0-9]{1,30}")

_DATA_URL = re.compile(r"""\bdata-url=["']([^"'<>\s]{1,2000})["']""")

_TAG = re.compile(r"<[^<>]{0,2000}>")


def find_links(
    facts: Mapping[str, Any], state: PageState, page: Outline, elements: Iterable[Element]
) -> tuple[LinkRef, ...]:
    """Each place a post leads to, once for each relation. `facts` are those of the post's page."""
    leading = islice(filter(_may_lead, elements), MAX_LINKS)
    of_body = (found for element in leading if (found := _of_element(element)))
    merged = _merged((*_of_state(facts, page), *of_body, *_named_posts(state)))
    return tuple(islice(_counted(merged), MAX_LINKS))


def _merged(links: Iterable[LinkRef]) -> Iterable[LinkRef]:
    """At the first place of each, with the longer words: a picture and a title often lead to one post."""
    found: dict[tuple[Relation, str], LinkRef] = {}
    for one in links:
        first = found.setdefault((one.relation, one.key), one)
        found[one.relation, one.key] = replace(
            first,
            url=one.url if "chksm=" in one.url and "chksm=" not in first.url else first.url,
            text=max(first.text, one.text, key=len),
            facts=one.facts | first.facts,
        )
    return found.values()


def _counted(links: Iterable[LinkRef]) -> Iterator[LinkRef]:
    positions = dict.fromkeys(Relation, 0)
    for one in links:
        yield replace(one, position=positions[one.relation])
        positions[one.relation] += 1


def _link(relation: Relation, key: str, url: str = "", text: str = "", **facts: Any) -> LinkRef:
    return LinkRef(relation, key, url, 0, text, known(facts))


def _of_state(facts: Mapping[str, Any], page: Outline) -> Iterator[LinkRef]:
    """Yield the links of the page around the body."""
    album = facts.get("album") or {}
    for one in (album, *facts.get("albums", ())):
        if one:
            yield _link(
                Relation.ALBUM, one["id"], one.get("link", ""), one.get("title", ""), size=one.get("size")
            )
    yield from _tagged_albums(page.markup)
    for relation, side in ((Relation.PREVIOUS, "previous"), (Relation.NEXT, "next")):
        if there := album.get(side):
            key = _post_key(there["link"]) or there["link"]
            yield _link(relation, key, there["link"], words(there["title"]), album=album["id"])
    if source := web_url(facts.get("source_url")):
        yield _link(Relation.SOURCE, source, source, post=_post_key(source))
    yield from _reprint(facts.get("reprint") or {}, page.markup)


def _tagged_albums(markup: str) -> Iterator[LinkRef]:
    """Pages of 2020 to 2023 have their albums as tags below the body."""
    for tag in _TAGGED.finditer(markup) if "article-tag__item-wrp" in markup else ():
        url = web_url(found[1]) if (found := _DATA_URL.search(tag[0])) else ""
        if album := _album_id(url):
            title = tag[1].partition("article-tag__item-num")[0].rpartition("<")[0]
            yield _link(Relation.ALBUM, album, url, words(_TAG.sub("", title)).lstrip("#"))


def _reprint(told: Mapping[str, str], markup: str) -> Iterator[LinkRef]:
    url = told.get("url") or _share_source(markup)
    ids = [told.get(name, "") for name in ("biz", "mid", "idx")]
    key = _post_key(url) or (":".join(ids) if all(ids) else web_url(url))
    if key:
        yield _link(Relation.REPRINT, key, url, account=told.get("platform"), user_name=told.get("user_name"))


def _share_source(markup: str) -> str:
    """Return the address of the post that a share shows, on pages whose state lacks it."""
    tag = _REPRINTED.search(markup) if "js_share_source" in markup else None
    found = _DATA_URL.search(tag[0]) if tag else None
    return web_url(found[1]) if found else ""


def _may_lead(element: Element) -> bool:
    if element.name == "a":
        return True
    return element.name in _PROFILES or bool(element.get(f"{_MINI}appid", f"{_MINI}applink"))


def _of_element(element: Element) -> LinkRef | None:
    if element.get(f"{_MINI}appid", f"{_MINI}applink"):
        return _mini_program(element)
    if element.name in _PROFILES:
        return _account(element)
    if "wx_topic_link" in element.get("class").split():
        return _topic(element)
    return _address(element)


def _mini_program(element: Element) -> LinkRef | None:
    told = {name: words(element.get(_MINI + name)) for name in ("nickname", "title", "type")}
    facts = {
        name: clean_url(element.get(_MINI + name)[:MAX_ADDRESS]) for name in ("appid", "path", "applink")
    }
    image = element.get(f"{_MINI}imageurl", f"{_MINI}imageurlback") or element.image.get("data-src", "")
    key = f"{facts['appid']}:{facts['path']}" if facts["appid"] else facts["applink"]
    text = _words(element) or told["title"] or told["nickname"]
    more = {**facts, **told, "image": web_url(image)}
    return _link(Relation.MINI_PROGRAM, key, web_url(element.get("href")), text, **more) if key else None


def _account(element: Element) -> LinkRef | None:
    names = ("alias", "signature", "headimg", "service_type", "verify_status", "is_biz_ban")
    facts = {name: words(element.get(f"data-{name}")) for name in names}
    biz = element.get("data-id").strip()
    return _link(Relation.ACCOUNT, biz, "", words(element.get("data-nickname")), **facts) if biz else None


def _topic(element: Element) -> LinkRef | None:
    """Return the key of a topic: its text, as its `topic-id` is new each time an author writes it."""
    text, ident = _words(element), words(element.get("topic-id"))
    key = text.lstrip("#＃").strip() or ident
    return _link(Relation.TOPIC, key, web_url(element.get("href")), text, topic_id=ident) if key else None


def _address(element: Element) -> LinkRef | None:
    url = _absolute(element.get("href"))
    if not url:
        return None
    relation, key = _place(url)
    facts = {
        "linktype": words(element.get("linktype", "data-linktype")),
        "itemshowtype": words(element.get("data-itemshowtype", "itemshowtype")),
        "image": web_url(element.image.get("data-src") or element.image.get("src") or ""),
        "in_body": relation is Relation.ALBUM,
    }
    return _link(relation, key, url, _words(element), **facts)


def _absolute(href: str) -> str:
    """Return the absolute address; empty for anchors, scripts, and what no browser would follow."""
    url = clean_url(href)
    url = web_url(f"https://{HOST}{url}" if url.startswith("/") else url)
    try:
        return url if urlsplit(url).hostname else ""
    except ValueError:
        return ""


def _place(url: str) -> tuple[Relation, str]:
    """Return what an address leads to, and its key."""
    if key := _post_key(url):
        return Relation.POST, key
    album = _album_id(url)
    return (Relation.ALBUM, album) if album else (Relation.WEB, url)


def _post_key(url: str) -> str:
    address = _post_address(url)
    return address.key if address else ""


def _post_address(url: str) -> PostAddress | None:
    try:
        return parse_address(url)
    except AddressError:
        return None


def _album_id(url: str) -> str:
    """Return the id of the album that an address leads to; empty where it leads elsewhere."""
    try:
        parts = urlsplit(url)
        ident = parse_qs(parts.query).get("album_id", [""])[0]
    except ValueError:
        return ""
    is_album = (parts.hostname, parts.path) == (HOST, "/mp/appmsgalbum")
    return ident if is_album and _ALBUM_ID.fullmatch(ident) else ""


def _words(element: Element) -> str:
    """Return the text of a link; the editor's note or the image's text where it has none."""
    noted = element.attributes.get("textvalue", ""), element.image.get("alt", "")
    return element.words or next((text for one in noted if (text := words(one))), "")


def _named_posts(state: PageState) -> Iterator[LinkRef]:
    """Return the page's own list of the posts its body links to, with their titles and accounts."""
    for item in islice(state.items("data.ainfos"), MAX_LINKS):
        if key := _post_key(url := link_address(item, "url")):
            facts = {"title": words(plain(item, "title")), "account": words(plain(item, "subject_name"))}
            yield _link(Relation.POST, key, url, "", **facts)

"""Collects everything else a post's page says, as JSON values: author, cover, album, region and so on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from archive.domain.addresses import clean_url
from archive.domain.outcomes import Kind
from crawler.parse.body import Body, copyright_stat
from crawler.parse.identity import Identity
from crawler.parse.script_state import PageState, link_address, plain


def post_facts(
    identity: Identity, kind: Kind, state: PageState, body: Body, meta: dict[str, str]
) -> dict[str, Any]:
    """Return the facts of a post's page. Instants are ISO 8601 in UTC, `ct` and `svr_time` Unix seconds."""
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
        "comment_id": _significant(state.text("data.comment_id", "comment_id")),
        "svr_time": state.number("data.svr_time", "svr_time"),
        "region": _region(state),
        "paid": bool(state.number("data.is_pay_subscribe", "is_pay_subscribe")),
        "album": _album(state),
        "albums": _albums(state),
        "reprint": _reprint(state),
        "images": list(body.images),
    }
    return {name: value for name, value in facts.items() if value not in ("", None, [], {})}


def identity_facts(identity: Identity, state: PageState) -> dict[str, Any]:
    """Return the ids as the page has them, also for a page that is no post but names one."""
    return {
        "biz": identity.biz,
        "mid": identity.mid,
        "idx": identity.idx,
        "sn": identity.sn,
        "ct": int(identity.published_at.timestamp()) if identity.published_at else None,
        "published_at": _iso(identity.published_at),
        "user_name": state.text("user_name", "data.user_name"),
        "alias": state.text("data.alias", "alias"),
        "item_show_type": state.number("item_show_type", "data.item_show_type"),
        "template": state.page_mid,
    }


def _iso(instant: datetime | None) -> str:
    return instant.isoformat().replace("+00:00", "Z") if instant else ""


def _address(state: PageState, *names: str) -> str:
    value = state.get(*names)
    return clean_url(value) if isinstance(value, str) else ""


def _significant(value: str) -> str:
    return "" if value == "0" else value


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

"""The page of one post: complete in itself, without script, asking nothing of anybody."""

import shlex
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from archive.models import Post
from archive.offline.addresses import clean_address
from archive.offline.body import body_markup
from archive.offline.embedded import MAX_EMBEDDED, Embedded
from archive.offline.look import LOOK
from archive.offline.shown import ShownPost
from archive.record import SHANGHAI
from archive.vocabulary import Kind

_POLICY = (
    "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
_WITH_HTML = (Kind.ARTICLE, Kind.SHARE)
_AWAY = 'rel="noopener noreferrer nofollow"'


def offline_page(shown: ShownPost, most: int = MAX_EMBEDDED) -> str:
    """One HTML page with everything archived of a post in it, at most `most` characters of files.

    The same post in the same state gives the same page. What could not be read is in `shown.media.troubles`.
    """
    post, files = shown.post, Embedded(shown.media, most)
    body = body_markup(post, files)
    drawn = ' class="drawn"' if post.html else ""
    parts = (_header(post), f"<main{drawn}>{body}</main>", _more(post), _footer(shown))
    return framed(post.title or post.aid, "\n".join(filter(None, parts)), files.variables)


def framed(title: str, content: str, rules: str = "") -> str:
    """A page around safe markup; `rules` are CSS."""
    return (
        f'<!DOCTYPE html>\n<html lang="zh-CN">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta http-equiv="x-dns-prefetch-control" content="off">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="mparchive">\n<title>{escape(title)}</title>\n'
        f'<link rel="icon" href="data:,">\n<style>{rules}{LOOK}</style>\n</head>\n'
        f"<body>\n{content}\n</body>\n</html>\n"
    )


def published(post: Post) -> str:
    """When a post was published, in Asia/Shanghai: to the minute where the page told it, else the day."""
    if post.published_at is None:
        return post.published_on.isoformat()
    return f"{post.published_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def _header(post: Post) -> str:
    title = post.title.strip()
    is_text = _squeezed(title) in _squeezed(post.text) and "\n" in title
    heading = f"<h1>{escape(title)}</h1>\n" if title and not is_text else ""
    spans = "".join(f'<span class="{name}">{escape(words)}</span>' for name, words in _byline(post) if words)
    return f"<header>\n{heading}<p>{spans}</p>\n</header>"


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _byline(post: Post) -> Iterable[tuple[str, str]]:
    facts = post.facts
    yield "original", "原创" if facts.get("original") else ""
    yield "author", _text(facts, "author")
    yield "account", post.account_name
    yield "date", published(post)
    region = facts.get("region")
    yield "region", " ".join(_names(region)) if isinstance(region, dict) else ""


def _names(region: Mapping[str, Any]) -> list[str]:
    """Country, province and city; of a place in China, as WeChat does, only the province."""
    told = [str(region[name]) for name in ("country", "province", "city") if region.get(name)]
    return told[1:2] if told[:1] == ["中国"] and len(told) > 1 else told


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    return value.strip() if isinstance(value, str) else ""


def _more(post: Post) -> str:
    """Where the post itself leads to besides its body: 阅读原文, its albums, the post it shares."""
    reprint = post.facts.get("reprint")
    places = [("阅读原文", post.facts.get("source_url"))]
    places += [(f"#{album['title']}", album.get("link")) for album in albums(post)]
    places += [("转载来源", reprint.get("url"))] if isinstance(reprint, dict) else []
    links = [
        f'<a href="{escape(address)}" {_AWAY}>{escape(words)}</a>'
        for words, place in places
        if isinstance(place, str) and (address := clean_address(place))
    ]
    return f'<p class="more">{"".join(links)}</p>' if links else ""


def albums(post: Post) -> list[dict[str, Any]]:
    """The albums a post's page lists it under, those that have a title."""
    listed = post.facts.get("albums") or [post.facts.get("album")]
    return [album for album in listed if isinstance(album, dict) and isinstance(album.get("title"), str)]


def _footer(shown: ShownPost) -> str:
    post = shown.post
    address = clean_address(post.url)
    link = f'<a href="{escape(address)}" {_AWAY}>{escape(post.url)}</a>' if address else escape(post.url)
    lines = [f"来源 Source: {link}", *map(escape, _provenance(shown)), "archived by mparchive"]
    return "<footer>\n" + "\n".join(f"<p>{line}</p>" for line in lines) + "\n</footer>"


def _provenance(shown: ShownPost) -> list[str]:
    if shown.fetched_at is None or shown.sha256 is None:
        return [f"仅有文字 Only the text is archived; {how_to_fetch(shown.post)}"]
    fetched = f"{shown.fetched_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S} (Asia/Shanghai)"
    lines = [f"抓取时间 Fetched: {fetched}", f"SHA-256: {shown.sha256.hex()}"]
    has_body = shown.post.html or shown.post.kind not in _WITH_HTML
    return lines if has_body else [*lines, f"仅有文字 Made from the text alone; {how_to_fetch(shown.post)}"]


def how_to_fetch(post: Post) -> str:
    """What to do where only the text of a post is there."""
    again = "--again " if post.capture_id else ""
    return f"fetch its page with: mparchive backfill {again}{shlex.quote(post.url)}"

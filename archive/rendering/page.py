"""The style sheet of pages: WeChat's column, sizes and greys, on a phone, at a desk and in the dark."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from sqlalchemy.orm import Session

from archive.db.models import Post
from archive.domain.outcomes import Kind
from archive.domain.records import SHANGHAI
from archive.rendering.images import clean_address
from archive.rendering.media import MAX_EMBEDDED, Embedded, PostMedia
from archive.rendering.post_body import body_markup
from archive.repository import captures
from archive.repository.media import StoredFile, media_of
from archive.storage.media_files import MediaFolder

_CARD, _MISSING = ".mparchive-card", ".mparchive-missing"

LOOK = f"""
:root{{color-scheme:light dark;--paper:#fff;--words:rgba(0,0,0,.9);--quiet:rgba(0,0,0,.55);--line:#e5e5e5;
--link:#576b95;--around:#fff}}
@media(prefers-color-scheme:dark){{:root{{--paper:#191919;--words:rgba(255,255,255,.8);
--quiet:rgba(255,255,255,.5);--line:#333;--link:#7d90a9;--around:#191919}}}}
*{{margin:0;padding:0}}
html{{-webkit-text-size-adjust:100%;background:var(--around)}}
body{{font-family:"PingFang SC",system-ui,-apple-system,"Helvetica Neue","Hiragino Sans GB",
"Microsoft YaHei UI","Microsoft YaHei","Noto Sans CJK SC",Arial,sans-serif;line-height:1.6;
color:var(--words);max-width:677px;margin:0 auto;padding:20px 16px 32px}}
@media(min-width:1024px){{body{{padding:32px 0 48px}}}}
a{{color:var(--link);text-decoration:none}}
body>header h1{{font-size:22px;line-height:1.4;font-weight:500;margin-bottom:14px;overflow-wrap:anywhere}}
body>header p{{font-size:15px;color:var(--quiet);margin-bottom:22px}}
body>header p span{{display:inline-block;margin-right:10px}}
body>header .account{{color:var(--link)}}
body>header .original{{font-size:13px;background:rgba(128,128,128,.15);border-radius:3px;padding:0 4px}}
main{{position:relative;isolation:isolate;overflow-x:auto;overflow-y:hidden;font-size:17px;line-height:1.6;
letter-spacing:.034em;text-align:justify;overflow-wrap:break-word}}
main.drawn{{color-scheme:light;color:rgba(0,0,0,.9);--paper:#fff;--words:rgba(0,0,0,.9);
--quiet:rgba(0,0,0,.55);--line:#e5e5e5;--link:#576b95}}
@media(prefers-color-scheme:dark){{main.drawn{{background:#fff;padding:16px;border-radius:4px}}}}
main *{{max-width:100%!important;box-sizing:border-box;overflow-wrap:break-word}}
main p{{clear:both;min-height:1em}}
main h1,main h2,main h3,main h4,main h5,main h6{{font-weight:400;font-size:16px}}
main ol,main ul{{padding-left:2.2em;list-style-position:outside}}
main table{{margin-bottom:10px;border-collapse:collapse;display:table;width:100%;word-break:break-word}}
main td,main th{{word-break:break-all;border:1px solid #ddd;padding:5px 10px}}
main th{{border-top-width:2px;background:rgba(128,128,128,.08)}}
main img{{height:auto!important;vertical-align:bottom}}
main pre{{white-space:pre-wrap}}
main blockquote{{padding-left:10px;border-left:3px solid #dbdbdb;color:rgba(0,0,0,.5)}}
main pre>code{{display:block}}
.mparchive-picture{{margin-bottom:12px}}
{_MISSING}{{display:inline-flex;flex-direction:column;justify-content:center;text-align:center;
width:100%;min-height:64px;padding:8px;border:1px dashed #b2b2b2;border-radius:4px;color:#777;
background:rgba(128,128,128,.08);font-size:12px;line-height:1.5;letter-spacing:0;text-indent:0;
vertical-align:bottom;overflow:hidden;white-space:normal;height:auto!important}}
{_MISSING}-line,{_CARD}-line{{display:block;overflow-wrap:anywhere}}
{_CARD}{{display:block;margin:12px 0;padding:12px 14px;border:1px solid var(--line);border-radius:6px;
font-size:15px;line-height:1.5;text-align:left;text-indent:0;letter-spacing:0;color:var(--words);
background:var(--paper);white-space:normal}}
{_CARD}-label{{display:block;font-size:12px;color:var(--quiet)}}
{_CARD}-title{{display:block;font-weight:500}}
{_CARD}-line{{font-size:12px;color:var(--quiet)}}
{_CARD}-still{{max-height:240px;width:auto;margin-bottom:8px;display:block}}
{_CARD} audio,{_CARD} video{{display:block;width:100%;margin-top:8px}}
.more{{font-size:15px;margin-top:22px}}
.more a{{margin-right:14px}}
body>footer{{margin-top:32px;padding-top:12px;border-top:1px solid var(--line);font-size:12px;
color:var(--quiet);overflow-wrap:anywhere}}
.days h2{{font-size:15px;font-weight:500;margin:18px 0 4px}}
.days li{{list-style:none;margin:2px 0}}
.days small{{color:var(--quiet)}}
"""


@dataclass(frozen=True)
class ShownPost:
    """A post with its media. `fetched_at` (aware UTC) and `sha256` are those of its page's capture,
    None where the page was never fetched.
    """

    post: Post
    media: PostMedia
    fetched_at: datetime | None = None
    sha256: bytes | None = None


@dataclass(frozen=True)
class _Reader:
    """Reads files of a media folder, also in another process."""

    folder: MediaFolder

    def __call__(self, file: StoredFile) -> bytes:
        return self.folder.get(file.path, file.sha256)


def shown_post(session: Session, post: Post, folder: MediaFolder) -> ShownPost:
    """Read what belongs to a post; its files only when they are put somewhere."""
    media = PostMedia(media_of(session, post), _Reader(folder))
    for capture in captures.list_captures(session, post) if post.capture_id is not None else ():
        if capture["id"] == post.capture_id:
            return ShownPost(post, media, capture["fetched_at"], capture["sha256"])
    return ShownPost(post, media)


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

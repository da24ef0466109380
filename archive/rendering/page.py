"""Render a post as one HTML page that needs nothing else: no script, no network, no server.

The words on the page are fixed, in Chinese and English: a post that did not change always
gives the same bytes.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from sqlalchemy.orm import Session

from archive.db.models import Capture, Post
from archive.domain.addresses import clean_web_url
from archive.domain.errors import PageError
from archive.domain.outcomes import Kind
from archive.domain.parsed_page import is_preview
from archive.domain.records import SHANGHAI
from archive.rendering.media import MAX_EMBEDDED, AddressedFiles, EmbeddedFiles, PostMedia, is_web_address
from archive.rendering.post_body import render_body
from archive.repository import captures
from archive.repository.media import StoredFile, media_of
from archive.repository.versions import EarlierText
from archive.storage.media_files import MediaFolder

_TEMPLATES = Path(__file__).with_name("templates")

_KINDS_WITH_HTML = (Kind.ARTICLE, Kind.SHARE)


@dataclass(frozen=True)
class ShownPost:
    """A post with its media.

    `fetched_at` (aware UTC) and `sha256` are those of its page's capture, None where the page was never
    fetched. `archive_url` is the address in this archive that a document names, empty for none. `version` is
    the number of an earlier version, of which only the text can be shown; None for the current one.
    `captured_url` is the address that its capture was requested from, empty where there is no capture.
    """

    post: Post
    media: PostMedia
    fetched_at: datetime | None = None
    sha256: bytes | None = None
    archive_url: str = ""
    version: int | None = None
    captured_url: str = ""


@dataclass(frozen=True)
class _FileReader:
    """Reads files of a media folder; it can be pickled for another process."""

    folder: MediaFolder

    def __call__(self, file: StoredFile) -> bytes:
        return self.folder.get(file.path, file.sha256)


def shown_post(session: Session, post: Post, folder: MediaFolder) -> ShownPost:
    """Return a post with its media; files are read only when they are embedded."""
    media = PostMedia(media_of(session, post), _FileReader(folder))
    for capture in captures.list_captures(session, post) if post.capture_id is not None else ():
        if capture["id"] == post.capture_id:
            at, sha256, url = (capture[name] for name in ("fetched_at", "sha256", "requested_url"))
            return ShownPost(post, media, at, sha256, captured_url=url)
    return ShownPost(post, media)


_UNCHANGED = (
    "id", "account_id", "aid", "mid", "idx", "url", "published_on", "published_at", "account_name", "kind",
)  # fmt: skip

_FACTS_OF_TEXTS = ("author", "paid", "preview")  # the other facts are those of the current page


def shown_earlier(session: Session, post: Post, then: EarlierText, folder: MediaFolder) -> ShownPost:
    """Return a post with the title and the text of an earlier version, without what only its page had."""
    capture = session.get(Capture, then.capture_id) if then.capture_id is not None else None
    earlier = Post(
        **{name: getattr(post, name) for name in _UNCHANGED},
        title=then.title,
        text=then.text,
        html=None,
        capture_id=then.capture_id,
        page_metadata={name: fact for name, fact in post.page_metadata.items() if name in _FACTS_OF_TEXTS},
    )
    fetched_at, sha256 = (capture.fetched_at, capture.sha256) if capture else (None, None)
    return ShownPost(earlier, PostMedia([], _FileReader(folder)), fetched_at, sha256, version=then.number)


MAX_LENGTH = 2_000_000  # characters of a body or text; real ones have under 500,000

MAX_TAGS = 12_000  # that begin or end an element; real bodies have under 4,000

MAX_MEDIA = 2_000  # images, players and cards, which take several times as long; real bodies have under 300

MAX_LINES = 4_000  # of a text, each of which becomes an element; real ones have under 1,500

MAX_ATTRIBUTES = 1_000  # of one element: a parser compares each with all before it; real ones have under 60

_MEDIUM_TAG = re.compile(r"<(?:im|iframe|video|audio|mp|qqmusic)|_iframe", re.I)


def check_page_size(post: Post) -> None:
    """Raise PageError where rendering could take over two seconds, longer than a reader waits."""
    body, text = post.html or "", post.text
    counts = (
        ("archive.rendering.too_long", max(len(body), len(text)), MAX_LENGTH),
        ("archive.rendering.too_many_tags", body.count("<"), MAX_TAGS),
        ("archive.rendering.too_many_media", len(_MEDIUM_TAG.findall(body)), MAX_MEDIA),
        ("archive.rendering.too_many_lines", text.count("\r") + text.count("\n"), MAX_LINES),
        (
            "archive.rendering.too_many_attributes",
            max(tag.count("=") for tag in body.split("<")),
            MAX_ATTRIBUTES,
        ),
    )
    for code, count, limit in counts:
        if count > limit:
            raise PageError(code, count=count, limit=limit)


def offline_page(shown: ShownPost, max_embedded: int = MAX_EMBEDDED) -> str:
    """Return an HTML page with all that is archived of a post, at most `max_embedded` characters of files.

    Files that could not be read are listed in `shown.media.problems`.
    """
    return _page(shown, EmbeddedFiles(shown.media, max_embedded))


def replay_page(shown: ShownPost) -> str:
    """Return the same page for a web archive, which has the files at their own addresses.

    It links to the captured page, which the web archive shows as well.
    """
    original = shown.captured_url if is_web_address(shown.captured_url) else ""
    return _page(shown, AddressedFiles(shown.media), sources="https: http: data:", original=original)


def _page(shown: ShownPost, files: EmbeddedFiles, **values: str) -> str:
    post = shown.post
    body = render_body(post, files)
    return render_template(
        "post.html",
        css_variables=Markup(files.variables),  # noqa: S704 - data: addresses of our own
        heading=_heading(post),
        has_html=bool(post.html),
        **({"original": ""} | values),
        **_values(shown, body),
    )


def document_page(shown: ShownPost, body: str) -> str:
    """Return a post as HTML without style sheets, from which a document is made; `body` is safe markup.

    The title stands in its head only: the document has it as its own title or as a chapter's.
    """
    return render_template("document.html", **_values(shown, body))


def _values(shown: ShownPost, body: str) -> dict[str, Any]:
    post = shown.post
    return {
        "title": post.title or post.aid,
        "byline": [(name, value) for name, value in _byline(post) if value],
        "body": Markup(body),  # noqa: S704 - made safe
        "preview": PREVIEW_NOTE if is_preview(post.page_metadata) else "",
        "links": _links(post),
        "source": clean_web_url(post.url),
        "url": post.url,
        "provenance": _provenance(shown),
    }


def render_template(name: str, **values: Any) -> str:
    """Render a template that extends page.html; `title` is required.

    `css_variables` are CSS rules, `sources` the schemes that files may be loaded from.
    """
    return _environment().get_template(name).render({"css_variables": "", "sources": "data:", **values})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["text"] = _as_text
    style_sheet = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    environment.globals["style_sheet"] = Markup(style_sheet)  # noqa: S704 - our own
    return environment


def _as_text(value: str) -> Markup:
    """Escape a text with the entities of `html.escape`, which pages of earlier versions have."""
    return Markup(escape(value))  # noqa: S704 - escaped


def published(post: Post) -> str:
    """Return when a post was published, in Asia/Shanghai: to the minute where it is known, else the day."""
    if post.published_at is None:
        return post.published_on.isoformat()
    return f"{post.published_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def _heading(post: Post) -> str:
    """Return the title, except where it is only the beginning of the text, as of a short post."""
    title = post.title.strip()
    is_text = "\n" in title and "".join(title.split()) in "".join(post.text.split())
    return "" if is_text else title


def _byline(post: Post) -> Iterable[tuple[str, str]]:
    facts = post.page_metadata
    author, region = facts.get("author"), facts.get("region")
    yield "original", "原创" if facts.get("original") else ""
    yield "author", author.strip() if isinstance(author, str) else ""
    yield "account", post.account_name
    yield "date", published(post)
    yield "region", " ".join(_region_names(region)) if isinstance(region, dict) else ""


def _region_names(region: Mapping[str, Any]) -> list[str]:
    """Return country, province and city; in China, as WeChat does, only the province."""
    names = [str(region[name]) for name in ("country", "province", "city") if region.get(name)]
    return names[1:2] if names[:1] == ["中国"] and len(names) > 1 else names


def _links(post: Post) -> list[tuple[str, str]]:
    """Return the links around a post: 阅读原文, its albums, and the post it shares."""
    reprint = post.page_metadata.get("reprint")
    links = [("阅读原文", post.page_metadata.get("source_url"))]
    links += [(f"#{album['title']}", album.get("link")) for album in albums(post)]
    links += [("转载来源", reprint.get("url"))] if isinstance(reprint, dict) else []
    return [
        (label, address)
        for label, link in links
        if isinstance(link, str) and (address := clean_web_url(link))
    ]


def albums(post: Post) -> list[dict[str, Any]]:
    """Return the albums that a post's page lists it under, those that have a title."""
    listed = post.page_metadata.get("albums") or [post.page_metadata.get("album")]
    return [album for album in listed if isinstance(album, dict) and isinstance(album.get("title"), str)]


def _provenance(shown: ShownPost) -> list[str]:
    lines = [f"存档地址 Archived at: {shown.archive_url}"] if shown.archive_url else []
    if shown.fetched_at is not None and shown.sha256 is not None:
        fetched = f"{shown.fetched_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S} (Asia/Shanghai)"
        lines += [f"抓取时间 Fetched: {fetched}", f"SHA-256: {shown.sha256.hex()}"]
    if shown.version is not None:
        return [*lines, f"仅有文字 Made from the text of version {shown.version} alone"]
    if shown.fetched_at is None or shown.sha256 is None:
        return [*lines, f"仅有文字 Only the text is archived; {how_to_fetch(shown.post)}"]
    has_body = shown.post.html or shown.post.kind not in _KINDS_WITH_HTML
    return lines if has_body else [*lines, f"仅有文字 Made from the text alone; {how_to_fetch(shown.post)}"]


PREVIEW_NOTE = "付费文章，仅存有免费试读部分 Only the free preview of this paid post is archived"


def how_to_fetch(post: Post) -> str:
    """Return the command that fetches the page of a post of which only the text is archived."""
    again = "--again " if post.capture_id else ""
    return f"fetch its page with: mparchive backfill {again}{shlex.quote(post.url)}"

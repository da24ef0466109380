"""Export posts as Markdown: a file with YAML front matter for each, and its images in a folder beside."""

import base64
import re
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import yaml  # type: ignore[import-untyped]
from bs4 import Tag

from archive.db.models import Post
from archive.domain.addresses import clean_web_url
from archive.domain.outcomes import Kind, Role
from archive.domain.parsed_page import is_preview
from archive.domain.records import SHANGHAI
from archive.export.file_names import FileNames
from archive.export.html_to_markdown import to_markdown
from archive.export.markdown_text import escape_text
from archive.export.post_renderer import RenderedPost, RenderPost, write_each
from archive.export.result import ExportResult
from archive.rendering.cards import CARD, card_medium, described_lines
from archive.rendering.formulas import FORMULA_WORDS, is_formula
from archive.rendering.images import emoji_words, is_inline, new_element
from archive.rendering.media import PostMedia
from archive.rendering.page import PREVIEW_NOTE, ShownPost, albums, how_to_fetch
from archive.rendering.post_body import plain_post, text_markup
from archive.rendering.sanitizer import Sources, image_addresses, make_safe
from archive.rendering.svg import DRAWING
from archive.repository.media import ShownMedium, StoredFile
from archive.system.files import write_bytes

IMAGES = "images"  # the folder beside the posts

_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")

_KINDS_WITH_LINES = (Kind.TEXT, Kind.PICTURE, Kind.SHORT, Kind.VIDEO, Kind.AUDIO, Kind.MUSIC)


def render_markdown(shown: ShownPost) -> RenderedPost:
    """Return the text of a post and the images it shows."""
    images = _ImageFiles(shown.media)
    content = _whole_file(shown, images).encode("utf-8", "replace")
    return RenderedPost(content, images.files, images.pictures)


def write_markdown(
    posts: Iterable[ShownPost], folder: Path, render: RenderPost = render_markdown
) -> ExportResult:
    """Write `<date>-<aid>-<title>.md` for each post, and the images it shows.

    A post that cannot be written is left out. Raises FileWriteError where none can be.
    """

    def write(shown: ShownPost, rendered: RenderedPost, names: FileNames) -> PostMedia:
        for path, file in rendered.files.items():
            _write_image(folder / path, file, shown.media)
        for path, content in rendered.pictures.items():
            write_bytes(folder / path, content)
        write_bytes(folder / f"{names.of_post(shown.post)}.md", rendered.content)
        return shown.media

    return write_each(posts, render, write)


def _write_image(path: Path, file: StoredFile, media: PostMedia) -> None:
    """Write an image, unless a file of its size is there: the name of the file is its SHA-256."""
    if path.exists() and path.stat().st_size == file.size:
        return
    content = media.content(file)
    if content is not None:
        write_bytes(path, content)


class _ImageFiles:
    """The images of a post as files beside it; those not archived keep their address on the web."""

    def __init__(self, media: PostMedia) -> None:
        self.media = media
        self.files: dict[str, StoredFile] = {}
        self.pictures: dict[str, bytes] = {}

    def address(self, medium: ShownMedium | None, written: str) -> str:
        """Return the address that an image has in the Markdown, "" for one that cannot be read."""
        if is_inline(written):
            return self._inline_image(written)
        if medium is None or medium.file is None:
            return written
        suffix = PurePosixPath(medium.file.path).suffix
        path = f"{IMAGES}/{medium.file.sha256.hex()}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        self.files[path] = medium.file
        return path

    def _inline_image(self, address: str) -> str:
        """Put the image of a data: address into a file: readers of Markdown refuse such addresses."""
        head, _, encoded = address.partition(",")
        try:
            content = base64.b64decode(encoded)
        except ValueError:
            return ""
        suffix = head.partition("/")[2].partition(";")[0].lower().replace("jpeg", "jpg")
        path = f"{IMAGES}/{sha256(content).hexdigest()}.{suffix}"
        self.pictures[path] = content
        return path


def _whole_file(shown: ShownPost, images: _ImageFiles) -> str:
    post = shown.post
    front = yaml.safe_dump(
        front_matter(shown), allow_unicode=True, sort_keys=False, width=2**20, default_flow_style=False
    )
    title = to_markdown(f"<h1>{escape(' '.join(post.title.split()))}</h1>")
    note = escape_text(f"Only the text is archived; {how_to_fetch(post)}", in_cell=False)
    note = f"> {note}".replace(r"\_", "_")  # the command is copied, also from the unrendered file
    preview = f"> {PREVIEW_NOTE}" if is_preview(post.page_metadata) else ""
    notes = ("" if post.capture_id or shown.version else note, preview)
    parts = (f"---\n{front}---", title, *notes, _body_markdown(post, images))
    return "\n\n".join(filter(None, parts)) + "\n"


def front_matter(shown: ShownPost) -> dict[str, Any]:
    """Return the metadata of a post; instants have the offset of Asia/Shanghai, dates are of that zone."""
    post, facts = shown.post, shown.post.page_metadata
    reprint = facts.get("reprint")
    values = {
        "aid": post.aid,
        "title": post.title,
        "version": shown.version,
        "account": post.account_name,
        "author": facts.get("author"),
        "date": post.published_on.isoformat(),
        "published_at": post.published_at.astimezone(SHANGHAI).isoformat() if post.published_at else None,
        "url": post.url,
        "kind": str(post.kind) if post.kind else None,
        "original": facts.get("original"),
        "paid": facts.get("paid") or None,
        "preview_only": is_preview(facts) or None,
        "digest": facts.get("digest"),
        "region": facts.get("region"),
        "source_url": facts.get("source_url"),
        "reprint_of": reprint.get("url") if isinstance(reprint, dict) else None,
        "albums": [album["title"] for album in albums(post)],
        "images": len(shown.media.of_role(Role.IMAGE)),
        "videos": len(shown.media.of_role(Role.VIDEO)),
        "audios": len(shown.media.of_role(Role.AUDIO)),
        "fetched_at": shown.fetched_at.astimezone(SHANGHAI).isoformat() if shown.fetched_at else None,
        "sha256": shown.sha256.hex() if shown.sha256 else None,
    }
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


class ImageAddresses(Protocol):
    """Gives the images of a post the addresses that they have in a document."""

    media: PostMedia

    def address(self, medium: ShownMedium | None, written: str) -> str:
        """Return the address of an image: `medium` is what is archived of it, `written` what the page has."""


def _body_markdown(post: Post, images: _ImageFiles) -> str:
    return to_markdown(unstyled_body(post, images))


def unstyled_body(post: Post, images: ImageAddresses) -> str:
    """Return the safe markup of a post for formats without style sheets: cards are quotations."""
    body = plain_post(post, images.media, _text_markup(post))
    sources = Sources()
    for card in body.find_all(class_=CARD):
        _quote(card, images)
    for tag in body.find_all(style=lambda style: bool(style and "url" in style.lower())):
        for address in reversed(image_addresses(str(tag["style"]))):
            if images.media.find(address):
                tag.insert(0, new_element("img", src=clean_web_url(address) or address))
    for formula in body.find_all(is_formula):
        for drawn in [*formula.find_all("img"), *formula.find_all(class_=FORMULA_WORDS)]:
            drawn.decompose()
    for drawing in body.find_all(DRAWING):
        drawing.decompose()
    for image in body.find_all("img"):
        address = str(image.get("src", ""))
        medium = images.media.find(address)
        if (medium is None or medium.file is None) and (words := emoji_words(image)):
            image.replace_with(words)
            continue
        image["src"] = sources.put(images.address(medium, address))
    return make_safe(body.decode_contents(), sources, lambda _: None)


def _text_markup(post: Post) -> str:
    """Return the markup of the text: lines of short posts stay lines, those of articles are paragraphs."""
    markup = text_markup(post.text)
    return markup.replace("</p><p>", "<br>") if post.kind in _KINDS_WITH_LINES else markup


def _quote(card: Tag, images: ImageAddresses) -> None:
    """Turn a card into a quotation: its lines, and the address of what it plays."""
    shown = card_medium(card)
    medium = images.media.find_played(shown.type, shown.id)
    lines = [text for _, text in described_lines(medium.facts)] + [medium.url] if medium else []
    card.extend(new_element("span", line) for line in lines if line and line not in card.get_text())
    for line in card.find_all("span")[1:]:
        line.insert_before(new_element("br"))
    card.name, card.attrs = "blockquote", {}
    still = images.media.find_still(shown.poster, shown.id)
    if still is not None:
        card.insert_before(new_element("img", src=still.url))

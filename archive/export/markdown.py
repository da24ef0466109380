"""Markdown for people and machines: a file a post with YAML front matter, its images beside it."""

import base64
import re
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

import yaml  # type: ignore[import-untyped]
from bs4 import Tag

from archive.db.models import Post
from archive.domain.outcomes import Kind, Role
from archive.domain.records import SHANGHAI
from archive.export.files import Names, Written, name_of
from archive.export.html_to_markdown import to_markdown
from archive.export.post_files import Made, Make
from archive.rendering.cards import CARD, asked_of, element, told_of
from archive.rendering.images import is_inline
from archive.rendering.media import PostMedia
from archive.rendering.page import ShownPost, albums, how_to_fetch
from archive.rendering.post_body import plain_post, text_markup
from archive.rendering.sanitizer import Sources, image_addresses, make_safe
from archive.rendering.svg import DRAWING
from archive.repository.media import ShownMedium, StoredFile
from archive.system.files import write_bytes

IMAGES = "images"  # the folder beside the posts

_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")

_IN_LINES = (Kind.TEXT, Kind.PICTURE, Kind.SHORT, Kind.VIDEO, Kind.AUDIO, Kind.MUSIC)


def make_markdown(shown: ShownPost) -> Made:
    """The text of a post and the images it shows."""
    images = _Beside(shown.media)
    content = markdown(shown, images).encode("utf-8", "replace")
    return Made(content, images.files, images.pictures)


def write_markdown(posts: Iterable[ShownPost], folder: Path, make: Make = make_markdown) -> Written:
    """Write `<date>-<aid>-<title>.md` of each post and the images it shows; a post that cannot be written is
    left out. Raises ExportError where none can be.
    """
    written, names = Written(), Names()
    for shown in posts:
        with written.apart(name_of(shown.post)):
            made = make(shown)
            for path, file in made.files.items():
                _write_image(folder / path, file, shown.media)
            for path, content in made.pictures.items():
                write_bytes(folder / path, content)
            write_bytes(folder / f"{names.of(shown.post)}.md", made.content)
            written.add(shown.media.troubles, shown.media.damaged)
    return written


def _write_image(path: Path, file: StoredFile, media: PostMedia) -> None:
    """A file's name is its hash: one that is there with its size is that file."""
    if path.exists() and path.stat().st_size == file.size:
        return
    content = media.content(file)
    if content is not None:
        write_bytes(path, content)


class _Beside:
    """Images of a post as files beside it; those not archived keep their address on the web."""

    def __init__(self, media: PostMedia) -> None:
        self.media = media
        self.files: dict[str, StoredFile] = {}
        self.pictures: dict[str, bytes] = {}

    def address(self, medium: ShownMedium | None, written: str) -> str:
        if is_inline(written):
            return self._picture(written)
        if medium is None or medium.file is None:
            return written
        suffix = PurePosixPath(medium.file.path).suffix
        path = f"{IMAGES}/{medium.file.sha256.hex()}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        self.files[path] = medium.file
        return path

    def _picture(self, written: str) -> str:
        """An image that the body itself holds; readers of Markdown take its address for a hostile one."""
        head, _, packed = written.partition(",")
        try:
            content = base64.b64decode(packed)
        except ValueError:
            return ""
        suffix = head.partition("/")[2].partition(";")[0].lower().replace("jpeg", "jpg")
        path = f"{IMAGES}/{sha256(content).hexdigest()}.{suffix}"
        self.pictures[path] = content
        return path


def markdown(shown: ShownPost, images: _Beside) -> str:
    """The whole file of a post."""
    post = shown.post
    front = yaml.safe_dump(
        front_matter(shown), allow_unicode=True, sort_keys=False, width=2**20, default_flow_style=False
    )
    title = to_markdown(f"<h1>{escape(' '.join(post.title.split()))}</h1>")
    note = "" if post.capture_id else _note(f"Only the text is archived; {how_to_fetch(post)}")
    body = _body(post, images)
    return "\n\n".join(filter(None, (f"---\n{front}---", title, note, body))) + "\n"


def _note(words: str) -> str:
    return to_markdown(f"<blockquote>{escape(words)}</blockquote>")


def front_matter(shown: ShownPost) -> dict[str, Any]:
    """What is known of a post besides its words; instants with their offset, dates in Asia/Shanghai."""
    post, facts = shown.post, shown.post.facts
    reprint = facts.get("reprint")
    values = {
        "aid": post.aid,
        "title": post.title,
        "account": post.account_name,
        "author": facts.get("author"),
        "date": post.published_on.isoformat(),
        "published_at": post.published_at.astimezone(SHANGHAI).isoformat() if post.published_at else None,
        "url": post.url,
        "kind": str(post.kind) if post.kind else None,
        "original": facts.get("original"),
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


def _body(post: Post, images: _Beside) -> str:
    body = plain_post(post, images.media, _text(post))
    sources = Sources()
    for card in body.find_all(class_=CARD):
        _quote(card, images)
    for tag in body.find_all(style=lambda style: bool(style and "url" in style.lower())):
        for address in reversed(image_addresses(str(tag["style"]))):
            if images.media.find(address):
                tag.insert(0, element("img", src=address))
    for drawing in body.find_all(DRAWING):
        drawing.decompose()
    for image in body.find_all("img"):
        written = str(image.get("src", ""))
        image["src"] = sources.put(images.address(images.media.find(written), written))
    return to_markdown(make_safe(body.decode_contents(), sources, lambda _: None))


def _text(post: Post) -> str:
    """Lines of plain words stay lines; of an article's text each is a paragraph."""
    markup = text_markup(post.text)
    return markup.replace("</p><p>", "<br>") if post.kind in _IN_LINES else markup


def _quote(card: Tag, images: _Beside) -> None:
    """A card becomes a quotation: its words a line each, and where what it plays is found."""
    asked = asked_of(card)
    medium = images.media.find_played(asked.type, asked.id)
    told = [words for _, words in told_of(medium.facts)] + [medium.url] if medium else []
    card.extend(element("span", words) for words in told if words and words not in card.get_text())
    for line in card.find_all("span")[1:]:
        line.insert_before(element("br"))
    card.name, card.attrs = "blockquote", {}
    still = images.media.find_still(asked.poster, asked.id)
    if still is not None:
        card.insert_before(element("img", src=still.url))

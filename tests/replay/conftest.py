"""An export in which all pictures of its posts are kept, and a reader who looks at it without a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, Request, Response, expect
from sqlalchemy import Engine, select

from archive.db.engine import transaction
from archive.db.models import Medium, Post
from archive.db.settings import ArchiveSettings
from archive.domain.text import unescape
from archive.export.replay_pages import replay_page_url
from archive.export.wacz import write_wacz
from archive.repository.capture_selection import Selection, posts_with_pages
from archive.repository.media import due_media, media_of, store_file
from archive.storage.media_files import MediaFolder
from tests.archive.filled import fill
from tests.archive.making import NOW, kept_file
from tests.standin.media import picture

BOUND = 5_000  # milliseconds in which a page is shown with its pictures
_WAIT_FOR_IMAGES = f"""async images => {{
    const loaded = image => image.complete ? null : new Promise(done => {{
        image.addEventListener("load", done);
        image.addEventListener("error", done);
    }});
    const late = new Promise(done => setTimeout(done, {BOUND}));
    await Promise.race([Promise.all(images.map(loaded)), late]);
    return images.filter(image => !image.naturalWidth).map(image => image.src);
}}"""


@dataclass(frozen=True)
class Shown:
    """A post as it must be shown; `pictures` is the number of those in its body."""

    kind: str
    text: str
    title: str
    captured_url: str
    page_url: str
    pictures: int


@dataclass(frozen=True)
class Exported:
    """A WACZ file with its posts."""

    folder: Path
    wacz: Path
    posts: list[Shown]
    picture_url: str


@pytest.fixture
def exported(engine: Engine, tmp_path: Path) -> Exported:
    """Return the export of an archive that has all pictures of its posts."""
    folder, wacz = MediaFolder(ArchiveSettings(home=tmp_path)), tmp_path / "posts.wacz"
    fill(engine, folder)
    keep_pictures(engine, folder)
    with transaction(engine) as session:
        with wacz.open("w+b") as out:
            write_wacz(session, Selection(), folder, out)
        posts = [
            Shown(
                session.get_one(Post, post.id).kind,
                post.text,
                post.title,
                post.captured_url,
                replay_page_url(post.biz, post.aid),
                sum(one.role == "image" for one in media_of(session, session.get_one(Post, post.id))),
            )
            for post in posts_with_pages(session, Selection())
        ]
        url = session.scalars(select(Medium.url).where(Medium.file_id.is_not(None))).first()
    assert posts
    assert url
    return Exported(tmp_path, wacz, posts, url)


def keep_pictures(engine: Engine, folder: MediaFolder) -> None:
    """Keep a picture for each that a post shows."""
    with transaction(engine) as session:
        due = due_media(session, NOW + timedelta(days=30), 1000, types=["image"])
    for medium in due:
        content = picture(f"synthetic_kept_{medium.id}")
        file = kept_file(content)
        with transaction(engine) as session:
            path = folder.put(content, file.sha256, ".png")
            store_file(session, medium.id, replace(file, path=path), NOW)


@dataclass
class Reader:
    """A browser's window. `outside` are requests to other servers, `failed` answers that are errors."""

    page: Page
    origin: str
    outside: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def opened(cls, browser: Browser, origin: str) -> Iterator[Self]:
        """Yield a reader of the pages of a server."""
        context = browser.new_context()
        reader = cls(context.new_page(), origin)
        context.on("request", reader._on_request)
        context.on("response", reader._on_response)
        yield reader
        context.close()

    def check(self, replayed: FrameLocator, post: Shown) -> None:
        """Check that a page shows the text and all pictures of a post within the bound."""
        body = replayed.locator("main")
        words = max(unescape(post.text).split(), key=len, default="")[:20]
        expect(body).to_contain_text(words, timeout=BOUND)
        expect(body).to_be_visible(timeout=BOUND)
        expect(replayed.locator("body > footer")).to_be_visible(timeout=BOUND)  # the page is whole
        assert body.locator("img").evaluate_all(_WAIT_FOR_IMAGES) == []
        assert body.locator("img").count() >= post.pictures

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.outside.append(request.url)

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

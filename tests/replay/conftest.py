"""An export in which all media of its posts are kept, and a reader who looks at it without a network."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, Request, Response, expect
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Medium, Post
from archive.db.settings import ArchiveSettings
from archive.domain.text import unescape
from archive.export.replay_pages import replay_page_url
from archive.export.wacz import write_wacz
from archive.repository.capture_selection import PostWithPage, Selection, posts_with_pages
from archive.repository.media import due_media, media_of, store_file
from archive.storage.media_files import MediaFolder
from tests.archive.filled import fill
from tests.archive.making import NOW, kept_file
from tests.standin.media import BODY_COLOUR, picture, recording, style_sheet, video

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
    """A post as it must be shown; `pictures` and `played` are numbers of kept files in its body."""

    kind: str
    text: str
    captured_url: str
    page_url: str
    pictures: int
    played: int


@dataclass(frozen=True)
class Exported:
    """A WACZ file with its posts."""

    folder: Path
    wacz: Path
    posts: list[Shown]
    picture_url: str


@pytest.fixture
def exported(engine: Engine, tmp_path: Path) -> Exported:
    """Return the export of an archive that has all media of its posts."""
    folder, wacz = MediaFolder(ArchiveSettings(home=tmp_path)), tmp_path / "posts.wacz"
    fill(engine, folder, is_styled=True)
    keep_media(engine, folder)
    with transaction(engine) as session:
        with wacz.open("w+b") as out:
            write_wacz(session, Selection(), folder, out)
        posts = [_shown(session, page) for page in posts_with_pages(session, Selection())]
        is_kept_picture = Medium.file_id.is_not(None) & (Medium.type == "image")
        url = session.scalars(select(Medium.url).where(is_kept_picture)).first()
    assert sum(post.pictures for post in posts) > 5
    assert sum(post.played for post in posts) > 1
    assert url
    return Exported(tmp_path, wacz, posts, url)


_MAKERS = {
    "image": (picture, "image/png", ".png"),
    "audio": (recording, "audio/mpeg", ".mp3"),
    "video": (video, "video/mp4", ".mp4"),
    "style": (style_sheet, "text/css", ".css"),
}


def keep_media(engine: Engine, folder: MediaFolder) -> None:
    """Keep a file for each medium that a post shows, and for the style sheets."""
    with transaction(engine) as session:
        due = due_media(session, NOW + timedelta(days=30), 1000, types=list(_MAKERS))
    for medium in due:
        make, media_type, ending = _MAKERS[medium.type]
        content = make(f"synthetic_kept_{medium.id}")
        file = replace(kept_file(content), media_type=media_type)
        with transaction(engine) as session:
            path = folder.put(content, file.sha256, ending)
            store_file(session, medium.id, replace(file, path=path), NOW)


def _shown(session: Session, page: PostWithPage) -> Shown:
    post = session.get_one(Post, page.id)
    kept = Counter(medium.role for medium in media_of(session, post) if medium.file)
    return Shown(
        post.kind,
        page.text,
        page.captured_url,
        replay_page_url(page.biz, page.aid),
        pictures=kept["image"],
        played=kept["audio"] + kept["video"],
    )


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
        assert body.locator("audio[src], video[src]").count() == post.played

    def check_style(self, replayed: FrameLocator) -> None:
        """Check that a captured page has the style of its own style sheets."""
        expect(replayed.locator("body")).to_have_css("color", BODY_COLOUR, timeout=BOUND)

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.outside.append(request.url)

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

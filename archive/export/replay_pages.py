"""Pages of a web archive that show posts as offline pages do, each beside its untouched capture.

A captured page needs scripts, which are not archived, to show its text and pictures. Its response stays as it
is; the page made from it stands at an address of its own, in a domain that no server can have (RFC 6761).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

from sqlalchemy.orm import Session

from archive.db.models import Post
from archive.domain.messages import Message
from archive.export.html import IndexEntry, index_page
from archive.export.post_renderer import RenderedPost, RenderPost
from archive.export.result import ExportResult, post_name
from archive.rendering.page import ShownPost, replay_page, shown_post
from archive.repository.accounts import biz_of
from archive.repository.capture_selection import Selection
from archive.repository.post_queries import posts
from archive.storage.media_files import MediaFolder

MADE_PAGES = "https://mparchive.invalid/"  # where the list of these pages stands, and they below it


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """A page made from a capture: from which address, when it was fetched (UTC), and its SHA-256.

    The list of the pages is made from none: it has no address and the time of the latest capture.
    """

    url: str
    content: bytes
    captured_at: datetime
    captured_url: str = ""
    sha256: bytes = b""


def replay_page_url(biz: str, aid: str) -> str:
    """Return the address of the page made of a post."""
    return f"{MADE_PAGES}{quote(biz, safe='=')}/{quote(aid, safe='')}"


def render_replay(shown: ShownPost) -> RenderedPost:
    """Return the page of a post whose files stand at their own addresses."""
    return RenderedPost(replay_page(shown).encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class ReplayPageMaker:
    """Makes the pages of posts; a page that fails is left out and recorded in the result."""

    session: Session
    folder: MediaFolder
    render: RenderPost
    result: ExportResult

    def pages(self, chosen: Selection, absent: set[str]) -> Iterator[ReplayPage]:
        """Yield a page for each chosen post that has a captured page, one in memory, and last their list.

        `absent` are addresses of stored files that the web archive lacks.
        """
        entries: list[IndexEntry] = []
        latest: datetime | None = None
        for post in posts(self.session, chosen):
            if post.capture_id is None:
                continue
            page = None
            with self.result.isolate(Message("archive.export.replay_page", {"post": post_name(post)})):
                page = self._page(post, absent)
            if page is None:
                self.result.without_page.add(post.id)
                continue
            latest = max(latest or page.captured_at, page.captured_at)
            title, href = " ".join(post.title.split()) or post.aid, page.url.removeprefix(MADE_PAGES)
            entries.append(IndexEntry(post.published_on.isoformat(), href, title, post.account_name))
            yield page
        if latest is not None:
            yield ReplayPage(MADE_PAGES, index_page(entries), latest)

    def _page(self, post: Post, absent: set[str]) -> ReplayPage | None:
        shown = shown_post(self.session, post, self.folder)
        if shown.fetched_at is None or shown.sha256 is None:
            return None
        at, sha256 = shown.fetched_at, shown.sha256
        if absent:
            shown = replace(shown, media=shown.media.without_files(absent))
        url = replay_page_url(biz_of(self.session, post), post.aid)
        return ReplayPage(url, self.render(shown).content, at, shown.captured_url, sha256)

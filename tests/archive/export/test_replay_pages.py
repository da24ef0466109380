"""The pages of a web archive: one for each post with a captured page, and their list."""

from sqlalchemy import Engine, select

from archive.db.engine import transaction
from archive.db.models import Medium, Post
from archive.export.post_renderer import RenderedPost
from archive.export.replay_pages import (
    MADE_PAGES,
    ReplayPage,
    ReplayPageMaker,
    render_replay,
    replay_page_url,
)
from archive.export.result import ExportResult
from archive.rendering.page import ShownPost
from archive.repository.capture_selection import Selection, posts_with_pages
from archive.storage.media_files import MediaFolder


def made(engine: Engine, folder: MediaFolder, absent: set[str] | None = None) -> list[ReplayPage]:
    """Make all pages."""
    with transaction(engine) as session:
        maker = ReplayPageMaker(session, folder, render_replay, ExportResult())
        return list(maker.pages(Selection(), absent or set()))


def test_each_post_has_a_page_at_its_address_with_the_time_of_its_capture(
    filled: Engine, folder: MediaFolder
) -> None:
    *pages, listed = made(filled, folder)
    with transaction(filled) as session:
        posts = list(posts_with_pages(session, Selection()))
    assert [(page.url, page.captured_at, page.captured_url) for page in pages] == [
        (replay_page_url(post.biz, post.aid), post.captured_at, post.captured_url) for post in posts
    ]
    assert (listed.url, listed.captured_at) == (MADE_PAGES, max(page.captured_at for page in pages))
    for page in pages:
        assert f'href="{page.url.removeprefix(MADE_PAGES)}"'.encode() in listed.content


def test_its_pictures_stand_at_their_addresses_unless_the_web_archive_lacks_them(
    filled: Engine, folder: MediaFolder
) -> None:
    with transaction(filled) as session:
        kept = set(session.scalars(select(Medium.url).where(Medium.file_id.is_not(None))))
    shown = [url for url in kept if any(_source(url) in page.content for page in made(filled, folder))]
    assert shown
    without = made(filled, folder, absent=kept)
    assert not any(_source(url) in page.content for url in kept for page in without)
    assert not any(b"data:image" in page.content for page in made(filled, folder))


def _source(url: str) -> bytes:
    return f'src="{url.replace("&", "&amp;")}"'.encode()


def test_a_page_that_fails_is_named_and_the_others_are_made(filled: Engine, folder: MediaFolder) -> None:
    with transaction(filled) as session:
        first, *others = posts_with_pages(session, Selection())

        def render(shown: ShownPost) -> RenderedPost:
            if shown.post.id == first.id:
                raise ValueError("synthetic")
            return render_replay(shown)

        maker = ReplayPageMaker(session, folder, render, ExportResult())
        pages = list(maker.pages(Selection(), set()))
    assert len(pages) == len(others) + 1
    assert (maker.result.failed, maker.result.without_page) == (1, {first.id})
    assert str(maker.result.failures[0]).startswith(f"the page for replay of post {first.aid} of ")


def test_without_a_captured_page_there_is_nothing(filled: Engine, folder: MediaFolder) -> None:
    with transaction(filled) as session:
        post = session.scalars(select(Post).where(Post.capture_id.is_not(None)).limit(1)).one()
        post.capture_id = None
        maker = ReplayPageMaker(session, folder, render_replay, ExportResult())
        with session.no_autoflush:
            chosen = Selection(ids=select(Post.id).where(Post.id == post.id))
            assert list(maker.pages(chosen, set())) == []
        session.rollback()

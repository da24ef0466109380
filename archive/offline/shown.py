"""What a post's own page is made of, read from the archive."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from archive import queries
from archive.media.folder import MediaFolder
from archive.media.kept import KeptFile
from archive.media.queries import media_of
from archive.models import Post
from archive.offline.media import PostMedia


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

    def __call__(self, file: KeptFile) -> bytes:
        return self.folder.get(file.path, file.sha256)


def shown_post(session: Session, post: Post, folder: MediaFolder) -> ShownPost:
    """Read what belongs to a post; its files only when they are put somewhere."""
    media = PostMedia(media_of(session, post), _Reader(folder))
    for capture in queries.captures_of(session, post) if post.capture_id is not None else ():
        if capture["id"] == post.capture_id:
            return ShownPost(post, media, capture["fetched_at"], capture["sha256"])
    return ShownPost(post, media)

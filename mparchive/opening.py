"""The page of one post: on stdout, or in the browser."""

import os
import sys
import webbrowser

from sqlalchemy.orm import Session

from archive.config import ArchiveSettings
from archive.export.files import Names, write_bytes
from archive.export.written import Written, name_of, reason_of
from archive.media.folder import MediaFolder
from archive.models import Post
from archive.offline import offline_page, shown_post
from mparchive.console import say
from mparchive.exits import CommandError, Exit


def print_page(session: Session, post: Post) -> Exit:
    """Write the page to stdout."""
    page, written = _page(session, post)
    sys.stdout.buffer.write(page)
    return end_with(written)


def open_page(session: Session, post: Post) -> Exit:
    """Write the page below the data folder, print where, and open it where there is a display."""
    page, written = _page(session, post)
    path = ArchiveSettings().home.absolute() / "pages" / f"{Names().of(post)}.html"
    write_bytes(path, page, is_private=True)
    sys.stdout.write(f"{path}\n")
    if not (_has_display() and webbrowser.open(path.as_uri())):
        say("no browser could be opened here; open this file in one")
    return end_with(written)


def _page(session: Session, post: Post) -> tuple[bytes, Written]:
    shown = shown_post(session, post, MediaFolder(ArchiveSettings()))
    try:
        page = offline_page(shown).encode("utf-8", "replace")
    except Exception as error:
        raise CommandError(
            f"the page of {name_of(post)} cannot be made ({reason_of(error)}); without --html and --open its "
            "text is shown",
            Exit.PARTLY_FAILED,
        ) from None
    written = Written()
    written.add(shown.media.troubles, shown.media.damaged)
    return page, written


def _has_display() -> bool:
    """Without one a browser of the terminal might take it over."""
    named = os.environ.get("BROWSER") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(named) or sys.platform in ("darwin", "win32")


def end_with(written: Written) -> Exit:
    """Say what could not be read or written; the exit code that tells it."""
    for sentence in (*written.troubles, *written.failures):
        say(sentence)
    if written.failed:
        say(f"{written.failed} could not be written; everything else was")
    if not written.missing:
        return Exit.PARTLY_FAILED if written.failed else Exit.DONE
    say(f"{written.missing} files of the media folder could not be read; what stands for them says so")
    return Exit.INTEGRITY if written.damaged else Exit.PARTLY_FAILED

"""`mparchive export`: the archive as files its users' tools read.

Three families: records go into one file, posts into a folder with a file each, captures into a web archive.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.models import Post
from archive.db.settings import ArchiveSettings
from archive.domain.records import SHANGHAI
from archive.export.file_names import FileNames
from archive.export.html import render_html, write_html
from archive.export.markdown import render_markdown, write_markdown
from archive.export.post_renderer import PostRenderer, RenderPost
from archive.export.records import write_csv, write_dump, write_jsonl
from archive.export.result import ExportResult, post_name
from archive.export.wacz import write_wacz
from archive.export.warc import write_warc
from archive.rendering.page import ShownPost, shown_post
from archive.repository import accounts as accounts_repository
from archive.repository import post_queries
from archive.repository.accounts import check_account
from archive.repository.capture_selection import Selection, count_captures
from archive.storage.media_files import MediaFolder
from archive.system.files import atomically
from mparchive.commands.show import end_with
from mparchive.console import say, steps
from mparchive.errors import CommandError, Exit
from mparchive.options import Format

CAPTURES_A_LINE = 100  # of progress, where there is no terminal

Result = TypeVar("Result")


RECORDS: dict[Format, tuple[Callable[..., int], str]] = {
    Format.DUMP: (write_dump, "json"),
    Format.JSONL: (write_jsonl, "jsonl"),
    Format.CSV: (write_csv, "csv"),
}

POSTS: dict[Format, tuple[Callable[[Iterable[ShownPost], Path, RenderPost], ExportResult], RenderPost]] = {
    Format.HTML: (write_html, render_html),
    Format.MARKDOWN: (write_markdown, render_markdown),
}

CAPTURES: dict[Format, tuple[Callable[..., ExportResult], str]] = {
    Format.WARC: (write_warc, "warc.gz"),
    Format.WACZ: (write_wacz, "wacz"),
}


def export(form: Format, output: Path | None, chosen: Selection) -> Exit:
    """Write what is chosen to a file, to one file an account or a post in a folder, or to stdout."""
    with open_archive() as engine, transaction(engine) as session:
        check_account(session, chosen.account)
        if form in RECORDS:
            return _records(session, form, output, chosen)
        if form in POSTS:
            return _posts(session, form, output, chosen)
        return _captures(session, form, output, chosen)


def _records(session: Session, form: Format, output: Path | None, chosen: Selection) -> Exit:
    write, ending = RECORDS[form]
    total = ExportResult()
    for path, part in _files(session, output, chosen, ending):
        with _alone(total, path, output):
            records = post_queries.records(session, part.account, part.since, part.until)
            total.posts += _write(path, partial(write, records, result=total))
    say(f"{total.posts} posts exported")
    return end_with(total)


def _posts(session: Session, form: Format, output: Path | None, chosen: Selection) -> Exit:
    if output is None or (output.exists() and not output.is_dir()):
        given = "" if output is None else f", and {output} is a file"
        raise CommandError(f"--format {form} writes a file a post{given}; name a folder with --output FOLDER")
    folder = MediaFolder(ArchiveSettings())
    posts = post_queries.posts(session, chosen.account, chosen.since, chosen.until)
    write, render = POSTS[form]
    unread = ExportResult()
    with PostRenderer(render) as renderer:
        written = write(_shown(session, posts, folder, unread), output, renderer.render)
    written.merge(unread)
    say(f"{written.posts} posts exported")
    return end_with(written)


def _shown(
    session: Session, posts: Iterable[Post], folder: MediaFolder, unread: ExportResult
) -> Iterator[ShownPost]:
    for post in posts:
        shown = None
        with unread.isolate(post_name(post)):
            shown = shown_post(session, post, folder)
        if shown is not None:
            yield shown


def _captures(session: Session, form: Format, output: Path | None, chosen: Selection) -> Exit:
    write, ending = CAPTURES[form]
    if output is None and form is Format.WACZ:
        raise CommandError("a WACZ is no stream; name a file with --output FILE.wacz")
    folder = MediaFolder(ArchiveSettings())
    total = ExportResult()
    for path, part in _files(session, output, chosen, ending):
        with (
            _alone(total, path, output),
            steps(count_captures(session, part)[0], every=CAPTURES_A_LINE) as shown,
        ):
            total.merge(_write(path, partial(write, session, part, folder, on_capture=shown.step)))
    say(f"{total.captures} captures exported")
    return end_with(total)


def _alone(total: ExportResult, path: Path | None, output: Path | None) -> AbstractContextManager[None]:
    """Of several files each fails alone; where there is only one, the export fails with it."""
    return nullcontext() if path is None or path == output else total.isolate(str(path))


def _write(path: Path | None, write: Callable[[BinaryIO], Result]) -> Result:
    return write(sys.stdout.buffer) if path is None else atomically(path, write)


def _files(
    session: Session, output: Path | None, chosen: Selection, ending: str
) -> list[tuple[Path | None, Selection]]:
    """The files to write, and what goes into each: in a folder one an account, named for people."""
    if output is None or not output.is_dir():
        return [(output, chosen)]
    accounts = (
        [chosen.account] if chosen.account else [biz for biz, _ in accounts_repository.account_names(session)]
    )
    today, names = datetime.now(SHANGHAI).strftime("%Y%m%d"), FileNames()
    named = [
        (one, names.of_account(accounts_repository.account_name(session, one) or one, one))
        for one in accounts
    ]
    return [
        (output / f"{name}_{today}.{ending}", replace(chosen, account=account)) for account, name in named
    ]

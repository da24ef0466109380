"""`mparchive export`: write the archive to files that other tools read.

Records are written to one file, posts to a folder with one file each, documents to such a folder or as one
book, captures to a web archive.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.models import Post
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from archive.domain.records import SHANGHAI
from archive.export.file_names import FileNames
from archive.export.html import INDEX, render_html, write_html
from archive.export.markdown import render_markdown, write_markdown
from archive.export.parquet import write_parquet
from archive.export.plain_text import render_text, write_text_files
from archive.export.post_renderer import PostRenderer, RenderPost
from archive.export.records import write_csv, write_dump, write_jsonl
from archive.export.replay_pages import render_replay
from archive.export.result import ExportResult, OnPosts, post_name
from archive.export.sqlite import write_sqlite
from archive.export.wacz import write_wacz
from archive.export.warc import Hooks, write_warc
from archive.export.xlsx import write_xlsx
from archive.rendering.page import ShownPost, shown_earlier, shown_post
from archive.reports.citations import Citation, citation_of
from archive.repository import accounts as accounts_repository
from archive.repository import post_queries
from archive.repository.accounts import check_account
from archive.repository.capture_selection import Selection, count_captures
from archive.repository.hash_chain import chain_heads
from archive.repository.heads import heads_file, record_head
from archive.repository.versions import end_of_day, texts_at
from archive.search.lookup import with_query
from archive.storage.media_files import MediaFolder
from archive.system import clock
from archive.system.files import atomically, write_bytes
from mparchive.console import Steps, report_failures, say, steps, terminal_steps
from mparchive.errors import CommandError, Exit, OutputError
from mparchive.options import Format, make_folder

if TYPE_CHECKING:
    from archive.export.documents import DocumentInfo, DocumentMaker

CAPTURES_PER_LINE = 100  # of the progress, where there is no terminal

Result = TypeVar("Result")

Item = TypeVar("Item")


RECORDS: dict[Format, tuple[Callable[..., int], str]] = {
    Format.DUMP: (write_dump, "json"),
    Format.JSONL: (write_jsonl, "jsonl"),
    Format.CSV: (write_csv, "csv"),
}

TABLES: dict[Format, tuple[Callable[[Session, Selection, BinaryIO, OnPosts], int], str]] = {
    Format.XLSX: (write_xlsx, "xlsx"),
    Format.SQLITE: (write_sqlite, "sqlite"),
    Format.PARQUET: (write_parquet, "parquet"),
}

POSTS: dict[Format, tuple[Callable[[Iterable[ShownPost], Path, RenderPost], ExportResult], RenderPost]] = {
    Format.HTML: (write_html, render_html),
    Format.MARKDOWN: (write_markdown, render_markdown),
    Format.TXT: (write_text_files, render_text),
}

DOCUMENTS = (Format.PDF, Format.EPUB, Format.DOCX)

CAPTURES: dict[Format, tuple[Callable[..., ExportResult], str]] = {
    Format.WARC: (write_warc, "warc.gz"),
    Format.WACZ: (write_wacz, "wacz"),
}


def export(form: Format, output: Path | None, selection: Selection, save_head: Path | None = None) -> Exit:
    """Write the selection to a file, to one file per account or post in a folder, or to stdout.

    The heads of the hash chains are written to `save_head`, if it is given.

    Raises CommandError, NotArchived.
    """
    if selection.version_at is not None and form in CAPTURES:
        raise CommandError(Message("mparchive.export.captures_have_no_version", {"format": form}))
    with open_archive() as engine, transaction(engine) as session:
        check_account(session, selection.account)
        selection = with_query(session, selection.query, selection)
        if save_head is not None:
            record_head(session, clock.now())
            write_bytes(save_head, heads_file(chain_heads(session)))
        if form in RECORDS or form in TABLES:
            return _export_records(session, form, output, selection)
        if form in POSTS:
            return _export_posts(session, form, output, selection)
        if form in DOCUMENTS:
            return _export_documents(session, form, output, selection)
        return _export_captures(session, form, output, selection)


def _export_records(session: Session, form: Format, output: Path | None, selection: Selection) -> Exit:
    if form in TABLES and output is None:
        _refuse_terminal(form)
    ending = (RECORDS | TABLES)[form][1]
    total, unchanged = ExportResult(), False
    for path, part in _files(session, output, selection, ending):
        with _failing_alone(total, path, output):
            written = _write(path, partial(_write_records, session, part, form, total), int)
            unchanged |= written is None
            total.posts += written or 0
    say(Message("mparchive.export.posts", {"n": total.posts}))
    _say_previews(session, selection)
    return _exit_code(total, unchanged)


def _refuse_terminal(form: Format) -> None:
    if sys.stdout.isatty():
        raise CommandError(Message("mparchive.export.not_to_terminal", {"format": form}))


def _write_records(
    session: Session, part: Selection, form: Format, total: ExportResult, out: BinaryIO
) -> int:
    """Query and write records; a query begun before the file is open would be left open if it cannot be."""
    if out.isatty():  # a bar among the records would hide them
        return RECORDS[form][0](post_queries.records(session, part), out, result=total)
    with _shown_posts(session, part) as shown:
        if form in TABLES:
            return TABLES[form][0](session, part, out, lambda done: shown.step("", done))
        records = _counted(post_queries.records(session, part), shown, lambda record: record.aid)
        return RECORDS[form][0](records, out, result=total)


def _shown_posts(session: Session, part: Selection) -> AbstractContextManager[Steps]:
    """Show on a terminal how many of the posts are written."""
    return terminal_steps(lambda: post_queries.count_at_most(session, part, None))


def _counted(items: Iterable[Item], shown: Steps, name: Callable[[Item], str]) -> Iterator[Item]:
    """Yield items, and show each after it was used."""
    for done, item in enumerate(items, 1):
        yield item
        shown.step(name(item), done)


def _exit_code(total: ExportResult, unchanged: bool) -> Exit:
    """Return the exit code of an export; one that only left files as they were has done nothing."""
    code = report_failures(total)
    return code or (Exit.USAGE if unchanged and not (total.posts or total.captures) else Exit.DONE)


def _export_posts(session: Session, form: Format, output: Path | None, selection: Selection) -> Exit:
    if output is None or (output.exists() and not output.is_dir()):
        code = "mparchive.export.is_a_file" if output else "mparchive.export.needs_folder"
        raise CommandError(Message(code, {"format": form, "path": output}))
    folder = MediaFolder(ArchiveSettings())
    posts = post_queries.posts(session, selection)
    first = next(posts, None)
    index = output / INDEX
    if first is None and index.exists():
        say(Message("mparchive.export.unchanged", {"path": index}))
        return Exit.USAGE
    make_folder(output)  # a path on which it cannot be made would fail once for every post
    posts = chain([first] if first else [], posts)
    write, render = POSTS[form]
    failures = ExportResult()
    with PostRenderer(render) as renderer, _shown_posts(session, selection) as shown:
        counted = _counted(posts, shown, lambda post: post.aid)
        with_media = _posts_with_media(session, counted, folder, failures, selection.version_at)
        result = write(with_media, output, renderer.render)
    result.merge(failures)
    say(Message("mparchive.export.posts", {"n": result.posts}))
    _say_previews(session, selection)
    return report_failures(result)


def _export_documents(session: Session, form: Format, output: Path | None, selection: Selection) -> Exit:
    """Write a document for each post into a folder, or all of them as one book to a file or stdout."""
    from archive.export import documents  # noqa: PLC0415 - with Pillow, which other formats do not need

    if output is None:
        _refuse_terminal(form)
    is_book = output is None or (
        not output.is_dir() and (output.exists() or output.suffix.lower() == f".{form}")
    )
    total, unchanged, folder = ExportResult(), False, MediaFolder(ArchiveSettings())
    describe = partial(_document_info, session)
    with (
        _document_maker(form) as maker,
        PostRenderer(maker.render) as renderer,
        _shown_posts(session, selection) as shown,
    ):
        found = _counted(post_queries.posts(session, selection), shown, lambda post: post.aid)
        posts = _with_archive_url(
            session, _posts_with_media(session, found, folder, total, selection.version_at)
        )
        if is_book:
            title = documents.book_title(selection)
            write = partial(documents.write_book, posts, renderer.render, maker, describe, title, clock.now())
            written = _write(output, write, lambda result: result.posts + result.failed)
            unchanged = written is None
            total.merge(written or ExportResult())
        elif output is not None:
            make_folder(output)
            total.merge(documents.write_document_files(posts, output, renderer.render, maker, describe))
    say(Message("mparchive.export.posts", {"n": total.posts}))
    _say_previews(session, selection)
    return _exit_code(total, unchanged)


@contextmanager
def _document_maker(form: Format) -> "Iterator[DocumentMaker]":
    """Yield what makes documents of a format. Raises ExtraMissing, PrinterMissing."""
    from archive.export.documents import PandocMaker  # noqa: PLC0415 - as above

    if form is not Format.PDF:
        yield PandocMaker(form)
        return
    from archive.export.pdf import PdfMaker  # noqa: PLC0415 - Playwright and pypdf are for this format only
    from crawler import settings  # noqa: PLC0415 - as above
    from crawler.browser.launch_options import REMEDY, print_options  # noqa: PLC0415 - as above

    with PdfMaker(print_options(settings.PLAYWRIGHT_LAUNCH_OPTIONS), REMEDY) as maker:
        if not maker.can_write_chinese():
            say(Message("mparchive.export.no_chinese_font"))
        yield maker


def _with_archive_url(session: Session, posts: Iterable[ShownPost]) -> Iterator[ShownPost]:
    for shown in posts:
        yield replace(shown, archive_url=_citation(session, shown).archive_url)


def _citation(session: Session, shown: ShownPost) -> Citation:
    origin = ArchiveSettings().origin()
    biz = accounts_repository.biz_of(session, shown.post)
    return citation_of(session, shown.post, biz, version=shown.version, origin=origin)


def _document_info(session: Session, shown: ShownPost) -> "DocumentInfo":
    from archive.export.documents import post_info  # noqa: PLC0415 - as above

    return post_info(_citation(session, shown), shown.post.page_metadata.get("author"))


def _say_previews(session: Session, selection: Selection) -> None:
    """Say how many of the posts are not whole: the six fields of a record cannot."""
    if number := post_queries.count_previews(session, selection):
        say(Message("mparchive.export.previews", {"n": number}))


def _posts_with_media(
    session: Session, posts: Iterable[Post], folder: MediaFolder, failures: ExportResult, day: date | None
) -> Iterator[ShownPost]:
    """Yield posts with their media; with `day` as they stood at its end in Asia/Shanghai."""
    for post in posts:
        shown = None
        with failures.isolate(post_name(post)):
            then = texts_at(session, [post.id], end_of_day(day)).get(post.id) if day else None
            if then is None or then.is_current:
                shown = shown_post(session, post, folder)
            else:
                shown = shown_earlier(session, post, then, folder)
        if shown is not None:
            yield shown


def _export_captures(session: Session, form: Format, output: Path | None, selection: Selection) -> Exit:
    write, ending = CAPTURES[form]
    if output is None and form is Format.WACZ:
        raise CommandError(Message("mparchive.export.wacz_to_stdout"))
    folder = MediaFolder(ArchiveSettings())
    total, unchanged = ExportResult(), False
    for path, part in _files(session, output, selection, ending):
        with (
            _failing_alone(total, path, output),
            steps(count_captures(session, part)[0], every=CAPTURES_PER_LINE) as shown,
            PostRenderer(render_replay) as renderer,
        ):
            hooks = Hooks(shown.step, renderer.render)
            write_captures = partial(write, session, part, folder, hooks=hooks)
            written = _write(path, write_captures, lambda result: result.captures)
            unchanged |= written is None
            total.merge(written or ExportResult())
    say(Message("mparchive.export.captures", {"n": total.captures}))
    return _exit_code(total, unchanged)


def _failing_alone(
    total: ExportResult, path: Path | None, output: Path | None
) -> AbstractContextManager[None]:
    """Let each of several files fail alone; where there is only one, the export fails with it."""
    return nullcontext() if path is None or path == output else total.isolate(str(path))


class _NothingWritten(Exception):
    """Nothing was written that could replace a file."""


def _write(
    path: Path | None, write: Callable[[BinaryIO], Result], count: Callable[[Result], int]
) -> Result | None:
    """Write a file or stdout; None where nothing was written and a file stands there, which is left as it is.

    `count` tells from what `write` returned how much was written.
    """
    if path is not None:
        try:
            return atomically(path, partial(_write_something, path, write, count))
        except _NothingWritten:
            say(Message("mparchive.export.unchanged", {"path": path}))
            return None
    try:
        result = write(sys.stdout.buffer)
        sys.stdout.buffer.flush()  # at the end of the process an error would come too late
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error) from None
    return result


def _write_something(
    path: Path, write: Callable[[BinaryIO], Result], count: Callable[[Result], int], out: BinaryIO
) -> Result:
    result = write(out)
    if not count(result) and path.is_file():
        raise _NothingWritten
    return result


def _files(
    session: Session, output: Path | None, selection: Selection, ending: str
) -> list[tuple[Path | None, Selection]]:
    """Return the files to write with the selection of each; in a folder one file per account."""
    if output is None or not output.is_dir():
        return [(output, selection)]
    accounts = (
        [selection.account]
        if selection.account
        else [biz for biz, _ in accounts_repository.account_names(session)]
    )
    today, names = datetime.now(SHANGHAI).strftime("%Y%m%d"), FileNames()
    named = [
        (one, names.of_account(accounts_repository.account_name(session, one) or one, one))
        for one in accounts
    ]
    return [
        (output / f"{name}_{today}.{ending}", replace(selection, account=account)) for account, name in named
    ]

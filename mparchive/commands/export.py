"""`mparchive export`: the archive as files its users' tools read.

Three families: records go into one file, posts into a folder with a file each, captures into a web archive.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.records import SHANGHAI, Record
from archive.export.files import Written, as_file_name
from archive.export.html import write_html
from archive.export.markdown import write_markdown
from archive.export.records import write_csv, write_dump, write_jsonl
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


RECORDS: dict[Format, tuple[Callable[[Iterable[Record], BinaryIO], int], str]] = {
    Format.DUMP: (write_dump, "json"),
    Format.JSONL: (write_jsonl, "jsonl"),
    Format.CSV: (write_csv, "csv"),
}

POSTS: dict[Format, Callable[[Iterable[ShownPost], Path], Written]] = {
    Format.HTML: write_html,
    Format.MARKDOWN: write_markdown,
}

CAPTURES: dict[Format, tuple[Callable[..., Written], str]] = {
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
    count = 0
    for path, part in _files(session, output, chosen, ending):
        records = post_queries.records(session, part.account, part.since, part.until)
        one = partial(write, records)
        count += one(sys.stdout.buffer) if path is None else atomically(path, one)
    say(f"{count} posts exported")
    return Exit.DONE


def _posts(session: Session, form: Format, output: Path | None, chosen: Selection) -> Exit:
    if output is None or (output.exists() and not output.is_dir()):
        given = "" if output is None else f", and {output} is a file"
        raise CommandError(f"--format {form} writes a file a post{given}; name a folder with --output FOLDER")
    folder = MediaFolder(ArchiveSettings())
    posts = post_queries.posts(session, chosen.account, chosen.since, chosen.until)
    written = POSTS[form]((shown_post(session, post, folder) for post in posts), output)
    say(f"{written.posts} posts exported")
    return end_with(written)


def _captures(session: Session, form: Format, output: Path | None, chosen: Selection) -> Exit:
    write, ending = CAPTURES[form]
    if output is None and form is Format.WACZ:
        raise CommandError("a WACZ is no stream; name a file with --output FILE.wacz")
    folder = MediaFolder(ArchiveSettings())
    total = Written()
    for path, part in _files(session, output, chosen, ending):
        with steps(count_captures(session, part)[0], every=CAPTURES_A_LINE) as shown:
            one = partial(write, session, part, folder, step=shown.step)
            total.join(one(sys.stdout.buffer) if path is None else atomically(path, one))
    say(f"{total.captures} captures exported")
    return end_with(total)


def _files(
    session: Session, output: Path | None, chosen: Selection, ending: str
) -> list[tuple[Path | None, Selection]]:
    """The files to write, and what goes into each: in a folder one an account, named for people."""
    if output is None or not output.is_dir():
        return [(output, chosen)]
    accounts = (
        [chosen.account] if chosen.account else [biz for biz, _ in accounts_repository.account_names(session)]
    )
    today = datetime.now(SHANGHAI).strftime("%Y%m%d")
    return [
        (
            output
            / f"{as_file_name(accounts_repository.account_name(session, one) or one)}_{today}.{ending}",
            replace(chosen, account=one),
        )
        for one in accounts
    ]

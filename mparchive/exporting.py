"""`mparchive export`: the archive as files its users' tools read."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.orm import Session

from archive import queries
from archive.config import ArchiveSettings
from archive.database import open_archive, transaction
from archive.export import write_csv, write_dump, write_html, write_jsonl, write_markdown
from archive.export.files import as_file_name, atomically
from archive.export.written import Written
from archive.media.folder import MediaFolder
from archive.offline import ShownPost, shown_post
from archive.record import SHANGHAI, Record
from mparchive.console import say
from mparchive.exits import CommandError, Exit
from mparchive.opening import end_with

Writer = Callable[[Iterable[Record], BinaryIO], int]
FORMATS: dict[str, tuple[Writer, str]] = {
    "dump": (write_dump, "json"),
    "jsonl": (write_jsonl, "jsonl"),
    "csv": (write_csv, "csv"),
}
FOLDER_FORMATS: dict[str, Callable[[Iterable[ShownPost], Path], Written]] = {
    "html": write_html,
    "markdown": write_markdown,
}


@dataclass(frozen=True)
class Selection:
    """Which posts: of an account (name or biz), between two days in Asia/Shanghai, both included."""

    account: str | None = None
    since: date | None = None
    until: date | None = None


def export(form: str, output: Path | None, chosen: Selection) -> Exit:
    """Write the posts to a file, to one file an account or a post in a folder, or to stdout."""
    with open_archive() as engine, transaction(engine) as session:
        if chosen.account is not None and not queries.has_account(session, chosen.account):
            raise CommandError(
                f"the archive has no account {chosen.account!r}; `mparchive status` lists them"
            )
        if form in FOLDER_FORMATS:
            return _posts_to_folder(session, form, output, chosen)
        if output is not None and output.is_dir():
            accounts = (
                [chosen.account] if chosen.account else [biz for biz, _ in queries.account_names(session)]
            )
            count = sum(_to_folder(session, form, output, replace(chosen, account=one)) for one in accounts)
        else:
            count = _to_file(session, form, output, chosen)
    say(f"{count} posts exported")
    return Exit.DONE


def _posts_to_folder(session: Session, form: str, output: Path | None, chosen: Selection) -> Exit:
    if output is None or (output.exists() and not output.is_dir()):
        given = "" if output is None else f", and {output} is a file"
        raise CommandError(f"--format {form} writes a file a post{given}; name a folder with --output FOLDER")
    folder = MediaFolder(ArchiveSettings())
    posts = queries.posts(session, chosen.account, chosen.since, chosen.until)
    written = FOLDER_FORMATS[form]((shown_post(session, post, folder) for post in posts), output)
    say(f"{written.posts} posts exported")
    return end_with(written)


def _to_folder(session: Session, form: str, folder: Path, chosen: Selection) -> int:
    account = chosen.account or ""
    name = as_file_name(queries.account_name(session, account) or account)
    today = datetime.now(SHANGHAI).strftime("%Y%m%d")
    return _to_file(session, form, folder / f"{name}_{today}.{FORMATS[form][1]}", chosen)


def _to_file(session: Session, form: str, path: Path | None, chosen: Selection) -> int:
    records = queries.records(session, chosen.account, chosen.since, chosen.until)
    write = FORMATS[form][0]
    if path is None:
        return write(records, sys.stdout.buffer)
    return atomically(path, lambda out: write(records, out))

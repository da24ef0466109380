"""`mparchive export`: the archive as files its users' tools read."""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.orm import Session

from archive import queries
from archive.database import open_archive, transaction
from archive.export import write_csv, write_dump, write_jsonl
from archive.record import SHANGHAI, Record
from mparchive.console import say
from mparchive.exits import CommandError, Exit

Writer = Callable[[Iterable[Record], BinaryIO], int]
FORMATS: dict[str, tuple[Writer, str]] = {
    "dump": (write_dump, "json"),
    "jsonl": (write_jsonl, "jsonl"),
    "csv": (write_csv, "csv"),
}


@dataclass(frozen=True)
class Selection:
    """Which posts: of an account (name or biz), between two days in Asia/Shanghai, both included."""

    account: str | None = None
    since: date | None = None
    until: date | None = None


def export(form: str, output: Path | None, chosen: Selection) -> Exit:
    """Write the posts to a file, to one file an account in a folder, or to stdout."""
    with open_archive() as engine, transaction(engine) as session:
        if chosen.account is not None and not queries.has_account(session, chosen.account):
            raise CommandError(
                f"the archive has no account {chosen.account!r}; `mparchive status` lists them"
            )
        if output is not None and output.is_dir():
            accounts = (
                [chosen.account] if chosen.account else [biz for biz, _ in queries.account_names(session)]
            )
            count = sum(_to_folder(session, form, output, replace(chosen, account=one)) for one in accounts)
        else:
            count = _to_file(session, form, output, chosen)
    say(f"{count} posts exported")
    return Exit.DONE


def _to_folder(session: Session, form: str, folder: Path, chosen: Selection) -> int:
    account = chosen.account or ""
    name = _as_file_name(queries.account_name(session, account) or account)
    today = datetime.now(SHANGHAI).strftime("%Y%m%d")
    return _to_file(session, form, folder / f"{name}_{today}.{FORMATS[form][1]}", chosen)


def _as_file_name(name: str) -> str:
    return (
        "".join("_" if char in '/\\:*?"<>|' or ord(char) < 32 else char for char in name).strip(". ") or "_"
    )


def _to_file(session: Session, form: str, path: Path | None, chosen: Selection) -> int:
    records = queries.records(session, chosen.account, chosen.since, chosen.until)
    write = FORMATS[form][0]
    if path is None:
        return write(records, sys.stdout.buffer)
    return _atomically(path, lambda out: write(records, out))


def _atomically(path: Path, write: Callable[[BinaryIO], int]) -> int:
    """Write beside the file and rename: a reader never sees half an export, a full disk costs nothing."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as out:
            count = write(out)
        unfinished.replace(path)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return count

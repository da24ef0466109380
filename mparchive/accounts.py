"""Accounts as they are named on the command line."""

from sqlalchemy.orm import Session

from archive import queries
from mparchive.exits import CommandError


def check_account(session: Session, account: str | None) -> None:
    """Raise CommandError when one is named, by biz or name, of which the archive has no post."""
    if account is not None and not queries.has_account(session, account):
        raise CommandError(f"the archive has no account {account!r}; `mparchive status` lists them")

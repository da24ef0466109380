"""Accounts as they are named on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.db.models import Account, Post
from archive.domain.errors import NotArchived
from archive.domain.pg_text import storable


def put_accounts(session: Session, names: Mapping[str, str]) -> dict[str, int]:
    """Accounts by biz; a name that is told replaces the one known."""
    if not names:
        return {}
    row = postgresql.insert(Account)
    row = row.on_conflict_do_nothing(constraint="uq__accounts__biz")
    session.execute(row, [{"biz": biz, "name": storable(names[biz])} for biz in sorted(names)])
    told = [{"b_biz": biz, "b_name": storable(name)} for biz, name in sorted(names.items()) if name]
    found = session.execute(select(Account.biz, Account.id, Account.name).where(Account.biz.in_(names)))
    accounts = {biz: (number, name) for biz, number, name in found}
    for renamed in told:
        if accounts[renamed["b_biz"]][1] != renamed["b_name"]:
            session.execute(
                update(Account).where(Account.biz == renamed["b_biz"]).values(name=renamed["b_name"])
            )
    return {biz: number for biz, (number, _) in accounts.items()}


def account_id(session: Session, biz: str) -> int:
    """The id of an account, which is noted when it is new."""
    return put_accounts(session, {biz: ""})[biz]


def account_names(session: Session) -> list[tuple[str, str]]:
    """Accounts that have posts: biz and name, by name."""
    rows = select(Account.biz, Account.name).where(Account.id.in_(select(Post.account_id)))
    return [(biz, name) for biz, name in session.execute(rows.order_by(Account.name, Account.biz))]


def account_of(session: Session, biz: str) -> Account:
    """The account of this biz. Raises NotArchived."""
    account = session.scalar(select(Account).where(Account.biz == biz))
    if account is None:
        raise NotArchived(f"there is no account {biz} in the archive")
    return account


def account_name(session: Session, account: str) -> str | None:
    """The name of the account of this biz or name."""
    rows = select(Account.name).where((Account.biz == account) | (Account.name == account))
    return session.scalar(rows.limit(1))


def has_account(session: Session, account: str) -> bool:
    """Whether any post is of an account of this name or biz."""
    rows = select(Post.id).join(Account, Account.id == Post.account_id)
    return session.scalar(rows.where(belongs_to(account)).limit(1)) is not None


def belongs_to(account: str) -> ColumnElement[bool]:
    """A post is of an account by its biz, by its name now, or by its name when the post was published."""
    return (Account.biz == account) | (Account.name == account) | (Post.account_name == account)


def account_summaries(session: Session) -> list[dict[str, Any]]:
    """The accounts, with how many posts there are of each, from which day to which (in Asia/Shanghai)."""
    rows = (
        select(
            Account.biz,
            Account.name,
            func.count(Post.id).label("posts"),
            func.min(Post.published_on).label("first"),
            func.max(Post.published_on).label("last"),
            func.count(Post.capture_id).label("with_page"),
        )
        .outerjoin(Post, Post.account_id == Account.id)
        .group_by(Account.id)
        .order_by(Account.id)
    )
    return [dict(row) for row in session.execute(rows).mappings()]


@dataclass(frozen=True, slots=True)
class Named:
    """An account by its id, biz and name."""

    id: int
    biz: str
    name: str


def accounts(session: Session) -> list[Named]:
    """All accounts that anything is known of, in the order they came to be known."""
    return [
        Named(*row)
        for row in session.execute(select(Account.id, Account.biz, Account.name).order_by(Account.id))
    ]


def check_account(session: Session, account: str | None) -> None:
    """Raise NotArchived when an account is named, by biz or name, of which the archive has no post."""
    if account is not None and not has_account(session, account):
        raise NotArchived("archive.account.missing", account=account)

"""Store accounts, and find them by biz or name."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, any_, bindparam, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from archive.db.models import Account, Address, Post
from archive.domain.errors import NotArchived
from archive.domain.outcomes import FORGOTTEN
from archive.domain.text import storable
from archive.repository.derived import counts
from archive.repository.evidence import FactKind
from archive.repository.hash_chain import append_facts


def put_accounts(session: Session, names: Mapping[str, str]) -> dict[str, int]:
    """Store accounts by biz and return their ids; a name that is not empty replaces the one stored."""
    if not names:
        return {}
    row = postgresql.insert(Account)
    row = row.on_conflict_do_nothing(constraint="uq__accounts__biz")
    session.execute(row, [{"biz": biz, "name": storable(names[biz])} for biz in sorted(names)])
    renames = [{"b_biz": biz, "b_name": storable(name)} for biz, name in sorted(names.items()) if name]
    rows = session.execute(select(Account.biz, Account.id, Account.name).where(Account.biz.in_(names)))
    accounts = {biz: (number, name) for biz, number, name in rows}
    for renamed in renames:
        if accounts[renamed["b_biz"]][1] != renamed["b_name"]:
            session.execute(
                update(Account).where(Account.biz == renamed["b_biz"]).values(name=renamed["b_name"])
            )
    append_facts(session, FactKind.ACCOUNT, [number for number, _ in accounts.values()])
    return {biz: number for biz, (number, _) in accounts.items()}


def account_id(session: Session, biz: str) -> int:
    """Return the id of an account, which is stored when it is new."""
    return put_accounts(session, {biz: ""})[biz]


def biz_of(session: Session, post: Post) -> str:
    """Return the biz of a post's account."""
    return session.get_one(Account, post.account_id).biz


def account_names(session: Session) -> list[tuple[str, str]]:
    """Return biz and name of the accounts that have posts, by name."""
    return [(biz, name) for biz, name in session.execute(_NAMES)]


_WITH_POSTS = select(Account.biz, Account.name).where(Account.id.in_(select(Post.account_id)))

_NAMES = _WITH_POSTS.order_by(Account.name, Account.biz)


def account_of(session: Session, biz: str) -> Account:
    """Return the account of this biz. Raises NotArchived."""
    account = session.scalar(_ACCOUNT, {"biz": biz})
    if account is None:
        raise NotArchived("archive.account.missing", account=biz)
    return account


_ACCOUNT = select(Account).where(Account.biz == bindparam("biz"))


def account_name(session: Session, account: str) -> str | None:
    """Return the name of the account of this biz or name; None when there is none."""
    rows = select(Account.name).where((Account.biz == account) | (Account.name == account))
    return session.scalar(rows.limit(1))


def has_account(session: Session, account: str) -> bool:
    """Tell whether any post is of an account of this name or biz."""
    rows = select(Post.id).join(Account, Account.id == Post.account_id)
    return session.scalar(rows.where(belongs_to(account)).limit(1)) is not None


def belongs_to(account: str) -> ColumnElement[bool]:
    """Select posts of an account by its biz, its name now, or its name when the post was published."""
    named = select(_NAMED.id).where((_NAMED.biz == account) | (_NAMED.name == account))
    # The ids as an array: Postgres looks both conditions up in indexes then.
    is_own: ColumnElement[bool] = Post.account_id == any_(func.array(named.scalar_subquery()))
    return is_own | (Post.account_name == account)


_NAMED = aliased(Account)


def account_summaries(session: Session) -> list[dict[str, Any]]:
    """Return the accounts with the number, first and last day (in Asia/Shanghai) of their posts.

    Those are left out whose posts were all removed on purpose.
    """
    found = counts(session, ["posts", "posts_with_page"])
    return [
        {
            "biz": row.biz,
            "name": row.name,
            "posts": found["posts"][str(row.id)],
            "first": row.first,
            "last": row.last,
            "with_page": found["posts_with_page"][str(row.id)],
        }
        for row in session.execute(_summary_rows())
    ]


@cache
def _summary_rows() -> Select[*tuple[Any, ...]]:
    forgotten = select(Address.id).where(Address.account_id == Account.id, Address.last_outcome == FORGOTTEN)
    first, last = (
        select(end(Post.published_on)).where(Post.account_id == Account.id).scalar_subquery()
        for end in (func.min, func.max)
    )
    columns = Account.id, Account.biz, Account.name, first.label("first"), last.label("last")
    return select(*columns).where(first.is_not(None) | ~forgotten.exists()).order_by(Account.id)


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An account with its id, biz and name."""

    id: int
    biz: str
    name: str


def accounts(session: Session) -> list[AccountRef]:
    """Return all accounts, in the order they became known."""
    return [
        AccountRef(*row)
        for row in session.execute(select(Account.id, Account.biz, Account.name).order_by(Account.id))
    ]


def check_account(session: Session, account: str | None) -> None:
    """Raise NotArchived when an account is named, by biz or name, of which the archive has no post."""
    if account is not None and not has_account(session, account):
        raise NotArchived("archive.account.missing", account=account)


def accounts_named(session: Session, named: str) -> list[Account]:
    """Return the accounts of a biz or a name; without one those whose posts had that name earlier."""
    rows = select(Account).where((Account.biz == named) | (Account.name == named)).order_by(Account.id)
    if found := list(session.scalars(rows)):
        return found
    earlier = select(Post.account_id).where(Post.account_name == named)
    return list(session.scalars(select(Account).where(Account.id.in_(earlier)).order_by(Account.id)))

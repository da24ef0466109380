"""Test how accounts are stored and found."""

import pytest
from sqlalchemy.orm import Session

from archive.domain.errors import NotArchived
from archive.ingest.pages import import_records
from archive.repository import accounts
from tests.archive.making import BIZ, NOW, record

OTHER = "MjM5MDU2MTc4NQ=="


def test_a_name_replaces_the_stored_one_and_an_empty_one_does_not(db_session: Session) -> None:
    ids = [accounts.put_accounts(db_session, {BIZ: name})[BIZ] for name in ("旧名", "", "新名")]
    assert len(set(ids)) == 1
    assert accounts.account_name(db_session, BIZ) == "新名"
    assert accounts.put_accounts(db_session, {}) == {}


def test_accounts_come_in_the_order_they_became_known(db_session: Session) -> None:
    accounts.account_id(db_session, OTHER)
    accounts.put_accounts(db_session, {BIZ: "名"})
    assert [(one.biz, one.name) for one in accounts.accounts(db_session)] == [(OTHER, ""), (BIZ, "名")]


def test_an_account_that_is_not_there_is_an_error_that_names_it(db_session: Session) -> None:
    with pytest.raises(NotArchived) as missing:
        accounts.account_of(db_session, BIZ)
    assert (missing.value.message.code, missing.value.message.params) == (
        "archive.account.missing",
        {"account": BIZ},
    )


def test_an_account_is_found_by_biz_by_name_and_by_the_name_of_a_post(db_session: Session) -> None:
    import_records(db_session, None, [record()], "dump", NOW)
    accounts.put_accounts(db_session, {BIZ: "改名后"})
    for name in (BIZ, "改名后", record().account):
        assert accounts.has_account(db_session, name)
        accounts.check_account(db_session, name)
    accounts.check_account(db_session, None)
    with pytest.raises(NotArchived, match="no account '没有'"):
        accounts.check_account(db_session, "没有")


def test_a_summary_counts_posts_and_gives_their_first_and_last_day(db_session: Session) -> None:
    import_records(db_session, None, [record(1), record(2)], "dump", NOW)
    accounts.account_id(db_session, OTHER)
    first, second = accounts.account_summaries(db_session)
    assert (first["posts"], str(first["first"]), str(first["last"])) == (2, "2026-03-01", "2026-03-01")
    assert (second["posts"], second["first"], second["with_page"]) == (0, None, 0)
    assert accounts.account_names(db_session) == [(BIZ, record().account)]

"""Reading the accounts of an old script's `app.json`."""

import io
import json
from typing import Any

import pytest

from mparchive.importers.accounts import NamedAccount, read_accounts
from mparchive.importers.items import Flaw, InputError

BIZ = "Mzk5OTAwMDAwMQ=="


def read(content: Any) -> list[NamedAccount | Flaw]:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return list(read_accounts(io.BytesIO(text.encode()), "app.json"))


@pytest.mark.parametrize(
    "content",
    [
        {"articalList": [{"officalAccout": "合成云屿经信", "fakeId": BIZ}], "cookieStr": "hush", "token": 1},
        {"articalList": [{"officalAccout": "合成云屿经信", "fakeId": "Mzk5OTAwMDAwMQ%3D%3D"}]},
        {"accounts": [{"name": "合成云屿经信", "biz": BIZ}, {"name": "合成云屿经信", "biz": BIZ}]},
        {"fakeid": BIZ, "nickname": " 合成云屿经信 ", "token": "hush"},
        {"config": {"list": [{"__biz": BIZ, "公众号名称": "合成云屿经信"}]}},
    ],
)
def test_accounts_are_found_however_a_script_names_them(content: Any) -> None:
    assert read(content) == [NamedAccount(BIZ, "合成云屿经信")]


def test_a_name_may_be_missing_and_a_mark_of_windows_be_there() -> None:
    assert read("\ufeff" + json.dumps({"fakeid": BIZ})) == [NamedAccount(BIZ, "")]


def test_what_is_no_account_is_a_flaw_and_the_others_come() -> None:
    account, flaw = read({"list": [{"fakeId": "gh_0123"}, {"fakeId": BIZ, "name": "甲"}]})
    assert account == NamedAccount(BIZ, "甲")
    assert str(flaw).startswith("app.json, account 1: 'gh_0123' is no __biz")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"name": "x", "version": 1}, "without any account"),
        ('{"fakeId": ', "begins like a JSON object, but is not valid JSON"),
        ('{"a":' * 100_000, "begins like a JSON object, but is not valid JSON"),
        ({"a": {"b": {"c": {"d": {"fakeId": BIZ}}}}}, "without any account"),
        ({"x": "y" * 1024 * 1024}, "over 1048576 bytes"),
    ],
)
def test_what_names_no_account_is_said(content: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(content)

"""The token: where it comes from, and what is none."""

from pathlib import Path

import pytest

from archive.domain.errors import TokenUnusable
from tests.support.secret_files import put_secret
from web.auth import InboxSettings

TOKEN = "synthetic-token-0c4d"


def test_without_a_token_there_is_none() -> None:
    assert InboxSettings().token() == ""


def test_it_comes_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN", TOKEN)
    assert InboxSettings().token() == TOKEN
    assert TOKEN not in repr(InboxSettings())
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN", "")
    put_secret(tmp_path / "token", f"{TOKEN}\n")
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN_FILE", str(tmp_path / "token"))
    assert InboxSettings().token() == TOKEN


@pytest.mark.parametrize(
    "wrong", ["hush-hush-hush-", "hush hush hush hush", "hush" * 100, "口令" * 16, "\x00" * 16]
)
def test_what_is_too_short_or_cannot_be_typed_is_refused_without_being_shown(
    wrong: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_secret(tmp_path / "token", wrong)
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(TokenUnusable, match="16 to 256") as error:
        InboxSettings().token()
    assert "hush" not in str(error.value)


def test_a_file_that_is_not_there_and_two_places_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN_FILE", str(tmp_path / "absent"))
    with pytest.raises(TokenUnusable, match=r"absent cannot be read: no such file"):
        InboxSettings().token()
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN", TOKEN)
    with pytest.raises(TokenUnusable, match="exclude each other"):
        InboxSettings().token()

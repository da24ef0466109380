"""Reading secrets from where the configuration says they are."""

from pathlib import Path

import pytest

from crawler.discovery.config import OwnBackend, SecretMissing, filled


def test_a_secret_comes_from_its_file_without_the_space_around_it(tmp_path: Path) -> None:
    (tmp_path / "login").write_text("\ufeff token=1\ncookie=2\n\n")
    assert OwnBackend(credentials_file=tmp_path / "login").read_secret({}) == "token=1\ncookie=2"


def test_a_secret_comes_from_its_variable() -> None:
    assert OwnBackend(credentials_env="LOGIN").read_secret({"LOGIN": "token=1\n"}) == "token=1"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b" \n", "is empty"), (b"x" * 70_000, "over 65536 bytes")],
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "login"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SecretMissing, match=words) as raised:
        OwnBackend(credentials_file=path).read_secret({})
    assert str(path) in str(raised.value)


def test_a_variable_that_is_missing_or_empty_is_named() -> None:
    with pytest.raises(SecretMissing, match="LOGIN is not set"):
        OwnBackend(credentials_env="LOGIN").read_secret({})
    with pytest.raises(SecretMissing, match="LOGIN is empty"):
        OwnBackend(credentials_env="LOGIN").read_secret({"LOGIN": " "})


def test_an_address_is_filled_with_its_secrets_and_then_is_one(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("abc\n")
    address = f"https://feeds.example/{{env:ROUTE}}?key={{file:{tmp_path / 'key'}}}"
    assert filled(address, {"ROUTE": "a"}) == ("https://feeds.example/a?key=abc", True)
    assert filled("https://feeds.example/a", {}) == ("https://feeds.example/a", False)
    with pytest.raises(SecretMissing, match="ROUTE is not set"):
        filled(address, {})

"""Reading secrets from where the configuration says they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from crawler.discovery.config import (
    FOLDER,
    AccountConfig,
    OwnBackendConfig,
    SecretMissing,
    fill_placeholders,
)
from tests.archive.nobody import AS_NOBODY, NOBODY, becomes_nobody
from tests.support.secret_files import put_secret


def test_a_secret_comes_from_its_file_without_the_space_around_it(tmp_path: Path) -> None:
    put_secret(tmp_path / "login", "\ufeff token=1\ncookie=2\n\n")
    assert OwnBackendConfig(credentials_file=tmp_path / "login").read_secret({}) == "token=1\ncookie=2"


def test_a_secret_comes_from_its_variable() -> None:
    assert OwnBackendConfig(credentials_env="LOGIN").read_secret({"LOGIN": "token=1\n"}) == "token=1"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_can_use_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "login"
    put_secret(path, "token=1")
    path.chmod(mode)
    with pytest.raises(SecretMissing) as raised:
        OwnBackendConfig(credentials_file=path).read_secret({})
    assert str(raised.value) == f"{path} can be read or changed by other users; run `chmod 600 {path}`"


@pytest.mark.skipif(not becomes_nobody(), reason="only root can become another user")
@pytest.mark.parametrize(("mode", "code"), [(0o640, 0), (0o644, 1), (0o660, 1)])
def test_root_may_lend_a_file_to_a_service_by_its_group(tmp_path: Path, mode: int, code: int) -> None:
    path = tmp_path / "login"
    put_secret(path, "token=1")
    os.chown(path, 0, NOBODY)
    path.chmod(mode)
    read = "import sys; from crawler.discovery.config import OwnBackendConfig as Login; "
    read += "Login(credentials_file=sys.argv[1]).read_secret()"
    command = [*AS_NOBODY, sys.executable, "-c", read, str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b" \n", "is empty"), (b"x" * 70_000, "over 65536 bytes")],
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "login"
    if content is not None:
        put_secret(path, content.decode())
    with pytest.raises(SecretMissing, match=words) as raised:
        OwnBackendConfig(credentials_file=path).read_secret({})
    assert str(path) in str(raised.value)


def test_a_variable_that_is_missing_or_empty_is_named() -> None:
    with pytest.raises(SecretMissing, match="LOGIN is not set"):
        OwnBackendConfig(credentials_env="LOGIN").read_secret({})
    with pytest.raises(SecretMissing, match="LOGIN is empty"):
        OwnBackendConfig(credentials_env="LOGIN").read_secret({"LOGIN": " "})


def test_an_address_is_filled_with_its_secrets_and_then_is_one(tmp_path: Path) -> None:
    put_secret(tmp_path / "key", "abc\n")
    address = f"https://feeds.example/{{env:ROUTE}}?key={{file:{tmp_path / 'key'}}}"
    assert fill_placeholders(address, {"ROUTE": "a"}) == ("https://feeds.example/a?key=abc", True)
    assert fill_placeholders("https://feeds.example/a", {}) == ("https://feeds.example/a", False)
    with pytest.raises(SecretMissing, match="ROUTE is not set"):
        fill_placeholders(address, {})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (True, ("default", 12)),
        ({}, ("default", 12)),
        ({"login": "zweitens", "looks_a_day": 3}, ("zweitens", 3)),
        (False, None),
    ],
)
def test_weread_is_switched_on_or_names_a_login(given: object, expected: tuple[str, int] | None) -> None:
    account = AccountConfig.model_validate({"biz": "Mzk5OTAwMDAwMQ==", "name": "合成", "weread": given})
    assert (account.weread and (account.weread.login, account.weread.looks_a_day)) == expected
    again = AccountConfig.model_validate_json(account.model_dump_json(exclude_defaults=True))
    assert again == account


@pytest.mark.parametrize("command", [[], [""], ["  ", "x"], ["tool", "a\x00b"], ["tool\n"]])
def test_a_command_names_a_program(command: list[str]) -> None:
    with pytest.raises(ValidationError, match="the program and its arguments were expected"):
        AccountConfig.model_validate({"biz": "Mzk5OTAwMDAwMQ==", "name": "a", "command": command})


def test_a_program_named_with_a_folder_is_found_from_the_configuration(tmp_path: Path) -> None:
    def program(name: str) -> str:
        values = {"biz": "Mzk5OTAwMDAwMQ==", "name": "a", "command": [name, "./x"]}
        config = AccountConfig.model_validate(values, context={FOLDER: tmp_path})
        assert config.command is not None
        assert config.command[1] == "./x"
        return config.command[0]

    assert program("./tool") == str(tmp_path / "tool")
    assert program("/usr/bin/tool") == "/usr/bin/tool"
    assert program("tool") == "tool"

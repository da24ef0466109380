"""Mistakes in the configuration, as the alarm on them tells them: each in Chinese."""

import os
from collections.abc import Iterator
from errno import EACCES
from pathlib import Path

import pytest

from crawler.discovery.config import AccountConfig, OwnBackendConfig, SecretMissing
from crawler.discovery.registry import MAX_LIST_BYTES, sources_of
from scheduler.config_errors import ConfigError
from tests.crawler.discovery.driving import drive
from tests.scheduler import test_config
from tests.scheduler.test_config import ACCOUNT, load
from tests.support.secret_files import put_secret
from web.locale.sentences import translated

_CASES = (
    test_config.test_a_mistake_is_told_by_file_line_and_key,
    test_config.test_a_secret_in_the_file_is_refused_and_not_repeated,
)
_MORE = (
    'a = "x\n', "a = [1 2]\n", 'a = """x', "a = 'x\n", "biz biz\n", "[table\n",
    "a = 1 b\n", "a = [1,\nb = 2\n",
    ACCOUNT + "feeds = 1\n[limits]\nfree_disk_mb = 1\n",
    ACCOUNT + "[limits]\nfree_disk = 1\n",
    ACCOUNT + "[limits]\npages_a_crawl = 9999\n",
    ACCOUNT + "[limits]\nzzzzzzz = 9999\n",
    ACCOUNT + "[schedule]\nquiet_hours = '23:00-23:00'\n",
    ACCOUNT + "feeds = ['x']\n",
    ACCOUNT + "addresses_file = 3\n",
    ACCOUNT + f"digest_title = '{'x' * 300}'\n",
    ACCOUNT + f"albums = [{'1,' * 3}]\n",
    ACCOUNT + f"albums = [{', '.join(chr(39) + str(n) + chr(39) for n in range(200))}]\n",
    ACCOUNT.replace("合成云屿经信", ""),
)  # fmt: skip


def _texts() -> Iterator[str | bytes]:
    """What the tests of the configuration get wrong, and more."""
    for case in _CASES:
        (mark,) = case.pytestmark  # type: ignore[attr-defined]  # where pytest keeps the cases
        yield from (text for text, _ in mark.args[1])
    yield from _MORE


def mistakes(folder: Path) -> list[str]:
    """A sentence on each mistake."""
    told = []
    for text in _texts():
        with pytest.raises(ConfigError) as raised:
            load(folder, text)
        told.append(str(raised.value))
    with pytest.raises(ConfigError) as gone:
        test_config.load_config(folder / "nowhere.toml")
    with pytest.raises(ConfigError) as a_folder:
        test_config.load_config(folder)
    return [*told, str(gone.value), str(a_folder.value), f"{folder} cannot be read: {_denied()}"]


def _denied() -> str:
    """What the system says of a file that is another's: to the root of a container all are its own."""
    return os.strerror(EACCES).lower()


def missing_secrets(folder: Path) -> list[str]:
    """A sentence on each secret that is not where it should be."""
    (folder / "empty").touch(0o600)
    put_secret(folder / "long", "x" * 70_000)
    put_secret(folder / "open", "token=1")
    (folder / "open").chmod(0o644)
    kept = [OwnBackendConfig(credentials_file=folder / name) for name in ("nowhere", "empty", "long", "open")]
    kept.append(OwnBackendConfig(credentials_env="LOGIN"))
    told = []
    for one in kept:
        with pytest.raises(SecretMissing) as raised:
            one.read_secret({})
        told.append(str(raised.value))
    with pytest.raises(SecretMissing) as blank:
        OwnBackendConfig(credentials_env="LOGIN").read_secret({"LOGIN": " "})
    return [*told, str(blank.value), _too_long_a_list(folder)]


def _too_long_a_list(folder: Path) -> str:
    path = folder / "list.txt"
    path.write_bytes(b"\n" * (MAX_LIST_BYTES + 1))
    account = AccountConfig(biz="Mzk5OTAwMDAwMQ==", name="合成", addresses_file=path)
    return drive(sources_of(account)[0])[0].detail


def test_every_mistake_in_the_configuration_is_told_in_chinese(tmp_path: Path) -> None:
    assert [one for one in mistakes(tmp_path) if _is_english(one)] == []


def test_every_secret_that_is_missing_is_told_in_chinese(tmp_path: Path) -> None:
    assert [one for one in missing_secrets(tmp_path) if translated(one) is None] == []


def _is_english(sentence: str) -> bool:
    """Also where only a part of it is in Chinese."""
    said = translated(sentence)
    return said is None or any(word in said for word in (" is ", " was ", " has ", ", line "))

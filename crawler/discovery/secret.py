"""Secrets stand outside the configuration: in files (as Docker's secrets do) or environment variables."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from archive.small_files import FileUnusable, read_secret_file
from crawler.discovery.table import FileName, Table

MAX_SECRET = 64 * 1024  # bytes; a cookie has a few thousand
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
# In an address, what stands for a secret: {env:RSSHUB_KEY} or {file:/run/secrets/rsshub_key}
PLACEHOLDER = re.compile(r"\{(env|file):([^{}]+)\}")


class SecretMissing(Exception):
    """A secret is not where the configuration says; one sentence, without any of it."""


class Kept(Table):
    """A table that names where a secret is kept: exactly one of `<what>_file` and `<what>_env`."""

    what: ClassVar[str]

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self._named("file") is None) == (self._named("env") is None):
            raise ValueError(f"one of {self.what}_file and {self.what}_env was expected")
        return self

    def _named(self, form: str) -> Path | str | None:
        named: Path | str | None = getattr(self, f"{self.what}_{form}")
        return named

    def read_secret(self, environment: Mapping[str, str] = os.environ) -> str:
        """The secret, without space around it. Raises SecretMissing when it is not there, or empty."""
        path = self._named("file")
        return _from_file(Path(path)) if path else _from_variable(str(self._named("env")), environment)


class OwnBackend(Kept):
    """The operator's own login to the account's back-end."""

    what = "credentials"

    credentials_file: FileName | None = None
    credentials_env: VariableName | None = None


class Official(Kept):
    """WeChat's official interface, of an account one runs."""

    what = "secret"

    appid: Annotated[str, Field(pattern=r"^wx[0-9a-f]{16}$")]
    secret_file: FileName | None = None
    secret_env: VariableName | None = None


def filled(address: str, environment: Mapping[str, str] = os.environ) -> tuple[str, bool]:
    """An address with its placeholders replaced, and whether there were any: then it is a secret itself.

    Raises SecretMissing.
    """

    def value(found: re.Match[str]) -> str:
        form, name = found.groups()
        return _from_file(Path(name)) if form == "file" else _from_variable(name, environment)

    whole = PLACEHOLDER.sub(value, address)
    return whole, whole != address


def _from_file(path: Path) -> str:
    try:
        content = read_secret_file(path, MAX_SECRET, "no secret has")
    except FileUnusable as error:
        raise SecretMissing(str(error)) from None
    return _not_empty(content.decode("utf-8-sig", "replace"), str(path))


def _from_variable(name: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise SecretMissing(f"the environment variable {name} is not set")
    return _not_empty(environment[name], f"the environment variable {name}")


def _not_empty(text: str, where: str) -> str:
    if not text.strip():
        raise SecretMissing(f"{where} is empty")
    return text.strip()

"""Messages for people: a stable code with parameters, turned into words by a catalogue.

Exceptions, incidents, gaps, findings and reasons carry a `Message`. Code compares codes, never words.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from archive.system.catalogues import Language, template

_SEPARATORS: dict[Language, str] = {"en": ", ", "zh": "、"}
_SHANGHAI = ZoneInfo("Asia/Shanghai")
MAX_CODE = 100  # characters; what is looked up is remembered, so a whole sentence must not be
_NUMBER = "n"  # the parameter that selects a plural form


@dataclass(frozen=True, slots=True)
class Message:
    """A code and its parameters; `str()` gives the English text.

    A parameter may be text, a number, an aware datetime (shown in Shanghai time), another Message, or a
    sequence of these. The parameter `n` selects the plural form.
    """

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def text(self, language: Language) -> str:
        """Return the words in a language; a code without an entry is shown with its parameters."""
        if not self.code:
            return ""
        if not self.params and (words := template(self.code, language)) is not None and "{" not in words:
            return words
        number = self.params.get(_NUMBER)
        words = template(self.code, language, number if isinstance(number, int) else None)
        values = {name: _text(value, language) for name, value in self.params.items()}
        if words is None:
            return " ".join([self.code, *(f"{name}={value}" for name, value in values.items())])
        return words.format_map(values)

    def __str__(self) -> str:
        return self.text("en")

    def __bool__(self) -> bool:
        """Tell whether there is a message: an empty stored reason loads as one without a code."""
        return bool(self.code)

    def dump(self) -> str:
        """Return the message as it is stored in a text column: the code, then its parameters as JSON."""
        return f"{self.code} {json.dumps(_plain(self), ensure_ascii=False)}" if self.params else self.code

    def as_json(self) -> dict[str, Any]:
        """Return code and parameters as plain JSON values, for a jsonb column or an API."""
        return {"code": self.code, "params": _plain(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(value["code"], {name: _restored(one) for name, one in value.get("params", {}).items()})

    @classmethod
    def load(cls, stored: str) -> Self:
        """Read what `dump` wrote; keep any other text, such as a sentence of an earlier version.

        Text that only looks like a message, as a server may send it, is kept too: what cannot be rendered is
        never returned as a message.
        """
        code, _, params = stored.partition(" ")
        if "." not in code or len(code) > MAX_CODE or template(code, "en") is None:
            return cls("archive.verbatim", {"text": stored}) if stored else cls("")
        try:
            message = cls.from_json({"code": code, "params": json.loads(params) if params else {}})
            message.text("en")
        except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
            return cls("archive.verbatim", {"text": stored})
        return message


def _text(value: Any, language: Language) -> str:
    if isinstance(value, str | int):  # nearly all of them
        return str(value)
    if isinstance(value, Message):
        return value.text(language)
    if isinstance(value, datetime):
        return f"{value.astimezone(_SHANGHAI):%Y-%m-%d %H:%M}"
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return _SEPARATORS[language].join(_text(one, language) for one in value)
    return str(value)


def _plain(message: Message) -> dict[str, Any]:
    return {name: _stored(value) for name, value in message.params.items()}


def _stored(value: Any) -> Any:
    if isinstance(value, Message):
        return value.as_json()
    if isinstance(value, datetime):
        return {"at": value.isoformat()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_stored(one) for one in value]
    return value if isinstance(value, int | float | bool | type(None)) else str(value)


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        return datetime.fromisoformat(value["at"]) if "at" in value else Message.from_json(value)
    return [_restored(one) for one in value] if isinstance(value, list) else value

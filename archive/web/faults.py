"""What is wrong with a parameter, in a sentence that says what to give instead. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# By the names of pydantic's errors, and those of the values that these come with.
SAYINGS = {
    "date": "{name}: give a day as YYYY-MM-DD",
    "int": "{name}: give a whole number",
    "missing": "{name}: this parameter is missing",
    "greater_than_equal": "{name}: give {ge} or more",
    "less_than_equal": "{name}: give {le} or less",
    "less_than": "{name}: give less than {lt}",
    "string_too_long": "{name}: give at most {max_length} characters",
    "string_pattern_mismatch": "{name}: give one of the form {pattern}",
    "enum": "{name}: give one of {expected}",
    "literal_error": "{name}: give one of {expected}",
}


def written_as_day(value: Any) -> Any:
    """A day as it stands. Raises what pydantic heeds for the numbers and instants it would take as days."""
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise PydanticCustomError("date_form", "a day is written YYYY-MM-DD")
    return value


def fault(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors of a request."""
    name, kind = error["loc"][-1] if error["loc"] else "request", str(error["type"])
    saying = SAYINGS.get(kind) or SAYINGS.get(kind.partition("_")[0])
    return saying.format(name=name, **error.get("ctx", {})) if saying else f"{name}: {error['msg']}"

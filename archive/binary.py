"""Results in binary: a page as text is fetched in hexadecimal digits, which takes ten times as long."""

from typing import Any

from psycopg.pq import Format
from sqlalchemy import Connection, Engine, event

BINARY = {"binary_results": True}  # execution options of a statement whose columns are plain ones


def heed_binary(engine: Engine) -> None:
    """Let the engine's statements have these options."""
    event.listen(engine, "before_cursor_execute", _as_asked)


def _as_asked(
    _connection: Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
) -> None:
    if context is not None and context.execution_options.get("binary_results"):
        cursor.format = Format.BINARY

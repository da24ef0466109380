"""Remove session secrets that earlier versions stored in addresses, outside what the hash chains vouch for.

Addresses of captures are part of the chains and stay; they are read without the secrets. A row whose checksum
is wrong stays as well: a new checksum would hide the damage.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"

down_revision = "0009"

branch_labels = None

depends_on = None

_NAMES = (
    "access_token|appmsg_token|data_ticket|exportkey|exportkey_token|key|pass_ticket|token|uin|wap_sid2"
    "|wxtoken|wxuin"
)

# A value behind the name of a secret, also percent-encoded; finds more rows than have to be changed.
_FILTER = rf"({_NAMES})(=|%(25)*3D)"

_SEPARATOR = re.compile(r"(&(?:amp;)+|[?&;#])")

_NESTED = re.compile(
    rf"(%(?:25)*(?:26|3F|3B|23)(?:amp%(?:25)*3B)?(?:{_NAMES})(?:%(?:25)*3D|=))(?:(?!%(?:25)*(?:26|23))[^&#])+",
    re.IGNORECASE,
)

_SECRET = re.compile(rf"(?:{_NAMES})", re.IGNORECASE)

_WECHAT = re.compile(r"https?://mp\.weixin\.qq\.com[^\s\"'<>\\]*", re.IGNORECASE)

_ANY_QUERY = re.compile(r"(https?://[^\s?#\"'<>\\]*)[?#][^\s\"'<>\\]*", re.IGNORECASE)

_COLUMNS = (
    ("addresses", ("url", "last_reason")),
    ("posts", ("url", "facts")),
    ("media", ("url", "last_reason")),
    ("runs", ("arguments",)),
    ("sources", ("detail", "memory")),
    ("incidents", ("params",)),
)

_FEEDS = "name LIKE 'feed:%'"

_LATEST = """
UPDATE sightings SET first_seen_at = least(sightings.first_seen_at, gone.first_seen_at),
  last_seen_at = greatest(sightings.last_seen_at, gone.last_seen_at),
  run_id = CASE WHEN gone.first_seen_at < sightings.first_seen_at THEN gone.run_id ELSE sightings.run_id END,
  last_run_id = CASE WHEN gone.last_seen_at > sightings.last_seen_at THEN gone.last_run_id
    ELSE sightings.last_run_id END
FROM sightings gone WHERE sightings.id = :id AND gone.id = :gone
"""


def upgrade() -> None:
    """Change the rows that have secrets; each gets its checksum again from its trigger."""
    connection = op.get_bind()
    op.execute("SET LOCAL statement_timeout = 0")
    # What the sources of feeds remember may hold a secret of the feed, and is found again at the next check.
    op.execute("UPDATE sources SET memory = '{}' WHERE name LIKE 'feed:%' AND memory <> '{}'")
    _rewrite(connection, "sources", ("detail",), _without_queries, f"{_FEEDS} AND detail LIKE '%://%'")
    _rewrite(connection, "incidents", ("params",), _without_queries, "key LIKE 'source:%:feed:%'")
    for table, columns in _COLUMNS:
        _rewrite(connection, table, columns, _without_secrets, _holds_secret(columns))
    _rewrite_unique(connection, "sightings", "url", ("address_id", "source"), ("title", "listing"))
    _rewrite_unique(connection, "post_links", "key", ("post_id", "relation"), ("url", "facts"))


def downgrade() -> None:
    """Leave everything as it is: what was removed is gone."""


def _holds_secret(columns: tuple[str, ...]) -> str:
    return " OR ".join(f"{column}::text ~* '{_FILTER}'" for column in columns)


def _rows(
    connection: sa.Connection, table: str, columns: tuple[str, ...], condition: str
) -> list[sa.RowMapping]:
    chosen = ", ".join(("id", *columns))
    query = f"SELECT {chosen} FROM {table} WHERE ({condition}) AND seal = seal_of({table}) ORDER BY id"  # noqa: S608 - names of this module
    return list(connection.execute(sa.text(query.replace(":", "\\:"))).mappings())


def _rewrite(
    connection: sa.Connection,
    table: str,
    columns: tuple[str, ...],
    change: Callable[[str], str],
    condition: str,
) -> None:
    for row in _rows(connection, table, columns, condition):
        _update(connection, table, row, {name: _changed(row[name], change) for name in columns})


def _rewrite_unique(
    connection: sa.Connection, table: str, unique: str, scope: tuple[str, ...], others: tuple[str, ...]
) -> None:
    """Rewrite a column that is unique within `scope`; of two rows that become equal one is removed."""
    columns = (unique, *others)
    for row in _rows(connection, table, (*columns, *scope), _holds_secret(columns)):
        values = {name: _changed(row[name], _without_secrets) for name in columns}
        same = sa.table(table, *(sa.column(name) for name in ("id", unique, *scope)))
        twin = connection.scalar(
            sa.select(same.c.id).where(
                same.c.id != row["id"],
                same.c[unique] == values[unique],
                *(same.c[name] == row[name] for name in scope),
            )
        )
        if twin is None:
            _update(connection, table, row, values)
            continue
        if table == "sightings":
            connection.execute(sa.text(_LATEST), {"id": twin, "gone": row["id"]})
        connection.execute(sa.delete(same).where(same.c.id == row["id"]))


def _update(connection: sa.Connection, table: str, row: sa.RowMapping, values: dict[str, Any]) -> None:
    changed = {name: value for name, value in values.items() if value != row[name]}
    if not changed:
        return
    types = {name: None if isinstance(value, str) else postgresql.JSONB() for name, value in changed.items()}
    target = sa.table(table, sa.column("id"), *(sa.column(name, type_) for name, type_ in types.items()))
    connection.execute(sa.update(target).where(target.c.id == row["id"]).values(changed))


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """Return a text or JSON value with `change` applied to every text in it; the rest stays."""
    match value:
        case str():
            return _changed_message(value, change)
        case dict():
            return {name: _changed(one, change) for name, one in value.items()}
        case list():
            return [_changed(one, change) for one in value]
    return value


def _changed_message(value: str, change: Callable[[str], str]) -> str:
    """Change the parameters of a stored message, which are JSON behind its code, or any other text."""
    code, _, params = value.partition(" {")
    if params and not code.count(" "):
        try:
            return f"{code} {json.dumps(_changed(json.loads('{' + params), change), ensure_ascii=False)}"
        except ValueError:
            pass
    return change(value)


def _without_queries(text: str) -> str:
    return _ANY_QUERY.sub(r"\1", text)


def _without_secrets(text: str) -> str:
    return _WECHAT.sub(lambda found: _without_session(found[0]), text)


def _without_session(url: str) -> str:
    """Remove the session's parameters from an address; other characters stay."""
    first, *rest = _SEPARATOR.split(url)
    kept, lost = [first], ""
    for separator, piece in zip(rest[::2], rest[1::2], strict=True):
        begins = lost if lost and separator != "#" else separator
        lost = ""
        name = "".join(unquote(piece).partition("=")[0].split()) if "=" in piece or "%" in piece else ""
        if _SECRET.fullmatch(name):
            lost = begins if begins in ("?", "#") else ""
        else:
            kept += [begins, _NESTED.sub(r"\1", piece)]
    return "".join(kept)

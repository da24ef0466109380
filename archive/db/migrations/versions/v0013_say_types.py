"""Let types say what columns hold: closed sets, smaller integers, and no column that nothing uses."""

import sqlalchemy as sa
from alembic import op

from archive.db.migrations.row_seals import seal

revision = "0013"

down_revision = "0012"

branch_labels = None

depends_on = None

_AWAY = ("deleted", "violation", "unavailable", "migrated", "private")

_OUTCOMES = (*_AWAY, "article", "expired_link", "verification", "rate_limited", "bad_request", "unknown")

_KINDS = ("article", "share", "video", "music", "audio", "picture", "text", "short")

_RELATIONS = (
    "post", "topic", "album", "previous", "next", "mini_program", "account", "source", "reprint", "web"
)  # fmt: skip

_SETS = {
    ("addresses", "last_outcome"): (*_OUTCOMES, "no_answer", "not_drawn", "forgotten"),
    ("absences", "outcome"): _AWAY,
    ("posts", "kind"): _KINDS,
    ("post_words", "kind"): _KINDS,
    ("media", "type"): ("image", "audio", "video"),
    ("media", "last_outcome"): ("kept", "refused", "failed"),
    ("post_media", "role"): ("image", "cover", "poster", "audio", "video"),
    ("post_links", "relation"): _RELATIONS,
}

_INTEGERS = {
    "addresses": ("attempts",),
    "sources": ("failures", "seen", "new"),
    "egresses": ("blocks",),
    "versions": ("number", "parser_version"),
    "media": ("attempts",),
    "files": ("width", "height"),
    "post_media": ("position",),
    "post_links": ("position",),
}

_UNUSED = {"accounts": "user_name", "egresses": "blocked_at"}  # written at most, and never read


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # some tables are written again
    for (table, column), values in _SETS.items():
        _allow_only(table, column, values)
    for table, column in _UNUSED.items():
        op.drop_column(table, column)
    _change_integers("integer")
    _seal_again()


def _allow_only(table: str, column: str, values: tuple[str, ...]) -> None:
    """Add a constraint. Where a row of an earlier version breaks it, it holds for new rows only."""
    listed = ", ".join(f"'{value}'" for value in values)
    condition = f"{column} IN ({listed})"
    name = op.f(f"ck__{table}__{column}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
    broken = sa.text(f"SELECT EXISTS (SELECT FROM {table} WHERE NOT ({condition}))")  # noqa: S608 - ours
    if not op.get_bind().scalar(broken):
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def _change_integers(kind: str) -> None:
    for table, columns in _INTEGERS.items():
        changes = ", ".join(f"ALTER COLUMN {column} TYPE {kind}" for column in columns)
        op.execute(f"ALTER TABLE {table} {changes}")


def _seal_again() -> None:
    """Make the functions of the checksums again: a connection still has them for the types of before."""
    for table in sorted({*_INTEGERS, *_UNUSED}):
        seal(op.get_bind(), table, but=("text",) if table == "versions" else ())


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    known = sa.Column("user_name", sa.Text(), server_default="", nullable=False, comment="gh_… where known")
    op.add_column("accounts", known)
    op.add_column("egresses", sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=True))
    _change_integers("bigint")
    _seal_again()
    for table, column in _SETS:
        op.drop_constraint(op.f(f"ck__{table}__{column}"), table, type_="check")

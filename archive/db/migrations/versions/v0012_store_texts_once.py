"""Store the text of a post once, in its versions, of which it names the current one; and let types say more.

Closed sets are constraints, small numbers integers, and columns that nothing uses are gone.
"""

import sqlalchemy as sa
from alembic import op

from archive.db.migrations.row_seals import TRIGGER, seal

revision = "0012"

down_revision = "0011"

branch_labels = None

depends_on = None

_COMMENT = "the version whose title and text are the current ones; NULL until a text is known"

_POINT = """
UPDATE posts SET current_version_id = (
  SELECT id FROM versions v WHERE v.post_id = posts.id AND v.content_hash = posts.content_hash
  ORDER BY number DESC LIMIT 1
)
"""

# Such a post was damaged or forged: its text is in none of its versions. It becomes one, and as no hash chain
# holds that version, `verify` reports it as it reported the post.
_KEEP_OTHER_TEXTS = """
INSERT INTO versions (post_id, number, title, text, content_hash, source, capture_id, recorded_at)
SELECT id, coalesce((SELECT max(number) FROM versions v WHERE v.post_id = posts.id), 0) + 1, title, text,
  content_hash, source, capture_id, now()
FROM posts WHERE current_version_id IS NULL AND text <> ''
"""


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


_SEALED_AGAIN = sorted({*_INTEGERS, *_UNUSED, "posts"})


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # checksums of posts and versions are computed again
    damaged = {table: _damaged(table) for table in _SEALED_AGAIN}
    _move_texts()
    for (table, column), values in _SETS.items():
        _allow_only(table, column, values)
    for table, column in _UNUSED.items():
        op.drop_column(table, column)
    _change_integers("integer")
    _seal_again()
    for table, ids in damaged.items():
        _leave_damaged(table, ids)


def _damaged(table: str) -> list[int]:
    """Return the rows whose checksum is wrong."""
    wrong = f"SELECT id FROM {table} WHERE seal IS DISTINCT FROM seal_of({table}) ORDER BY id"  # noqa: S608
    return list(op.get_bind().execute(sa.text(wrong)).scalars())


def _leave_damaged(table: str, ids: list[int]) -> None:
    """Give rows that were damaged before a wrong checksum again: a right one would hide the damage."""
    if ids:
        op.execute(f"ALTER TABLE {table} DISABLE TRIGGER {TRIGGER}")
        wrong = sa.text(f"UPDATE {table} SET seal = '' WHERE id = ANY(:ids)")  # noqa: S608 - ours
        op.get_bind().execute(wrong, {"ids": ids})
        op.execute(f"ALTER TABLE {table} ENABLE TRIGGER {TRIGGER}")


def _move_texts() -> None:
    op.execute(f"DROP TRIGGER {TRIGGER} ON posts")  # `seal` makes it again, over the new columns
    op.add_column("posts", sa.Column("current_version_id", sa.BigInteger(), nullable=True, comment=_COMMENT))
    op.execute(_POINT)
    op.execute(_KEEP_OTHER_TEXTS)
    op.execute(f"{_POINT} WHERE current_version_id IS NULL")
    op.create_foreign_key(
        op.f("fk__posts__current_version_id__versions"), "posts", "versions", ["current_version_id"], ["id"]
    )
    op.create_index(op.f("ix__posts__current_version_id"), "posts", ["current_version_id"])
    op.execute("ALTER TABLE posts ALTER COLUMN seal DROP NOT NULL, DROP COLUMN text")
    # Changing a type writes the whole table again, without the column that is dropped.
    op.execute("ALTER TABLE posts ALTER COLUMN idx TYPE smallint")


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
    for table in _SEALED_AGAIN:
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
    _return_texts()


def _return_texts() -> None:
    op.execute(f"DROP TRIGGER {TRIGGER} ON posts")
    op.add_column("posts", sa.Column("text", sa.Text(), nullable=True, comment="finalContent"))
    op.execute(
        "UPDATE posts SET text = coalesce((SELECT text FROM versions v WHERE v.id = current_version_id), '')"
    )
    op.alter_column("posts", "text", nullable=False)
    op.alter_column("posts", "idx", type_=sa.BigInteger())
    op.drop_column("posts", "current_version_id")
    seal(op.get_bind(), "posts", but=("text",))

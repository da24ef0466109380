"""Index the words of posts for search."""

import html

import sqlalchemy as sa
from alembic import op

from archive.db.migrations.row_seals import seal, unseal

revision = "0006"

down_revision = "0005"

branch_labels = None

depends_on = None

BATCH = 500  # posts a statement

# Every run of one and of two characters, cut by what runs in C: all characters, then pairs from each of the
# two places they can begin at. A newline ends a pair, and the words' own one only makes shorter runs, which
# are there anyway. The cost keeps the planner from computing runs where the index has them.
GRAMS = r"""
CREATE FUNCTION search_grams(words text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 100000 AS $$
SELECT string_to_array(words, NULL)
  || string_to_array(regexp_replace(words, '..', E'\\&\n', 'g'), E'\n')
  || string_to_array(regexp_replace(substr(words, 2), '..', E'\\&\n', 'g'), E'\n')
$$
"""

# Words lie uncompressed beside narrow rows: rows are sorted without them, and are read fast where needed.
# What Postgres would gather about runs takes a minute, and the search does not ask for it.
STORAGE = (
    "ALTER TABLE post_words ALTER COLUMN words SET STORAGE EXTERNAL",
    "ALTER TABLE post_words ALTER COLUMN words SET STATISTICS 0",
    "ALTER TABLE post_words SET (toast_tuple_target = 128)",
)

# Runs of new posts wait in a list, which every search reads: 1 MB of it takes a millisecond or two.
INDEX = (
    "SET LOCAL maintenance_work_mem = '512MB'",
    "CREATE INDEX ix__post_words__grams ON post_words USING gin (search_grams(words))"
    " WITH (gin_pending_list_limit = 1024)",
    "ALTER INDEX ix__post_words__grams ALTER COLUMN 1 SET STATISTICS 0",
)

_POSTS = sa.text(
    "SELECT id, account_id, published_on, kind, title, text FROM posts"
    " WHERE id > :after ORDER BY id LIMIT :batch"
)


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # every text that was ever kept is indexed
    op.execute(GRAMS)
    table = _create()
    for statement in STORAGE:
        op.execute(statement)
    seal(op.get_bind(), "post_words")
    _fill(table)
    for statement in INDEX:
        op.execute(statement)
    op.create_index(None, "post_words", ["published_on", "post_id"])
    op.create_index(None, "post_words", ["account_id", "published_on", "post_id"])


def _create() -> sa.Table:
    return op.create_table(
        "post_words",
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("published_on", sa.Date(), nullable=False, comment="date in Asia/Shanghai"),
        sa.Column("kind", sa.Text()),
        sa.Column(
            "words",
            sa.Text(collation="C"),
            nullable=False,
            comment="title, newline, text, as a reader sees them, in small letters",
        ),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("post_id"),
        comment="The words of posts, for search: computed from their titles and texts",
    )


def _fill(table: sa.Table) -> None:
    bind, after = op.get_bind(), 0
    while rows := bind.execute(_POSTS, {"after": after, "batch": BATCH}).all():
        after = rows[-1].id
        bind.execute(
            sa.insert(table),
            [
                {
                    "post_id": row.id,
                    "account_id": row.account_id,
                    "published_on": row.published_on,
                    "kind": row.kind,
                    "words": _search_words(row.title, row.text),
                }
                for row in rows
            ],
        )


# Python makes two characters of the first, and its choice for the second depends on the characters around it.
_ONE_FOR_ONE = str.maketrans({"\u0130": "i", "\u03a3": "\u03c3"})


def _search_words(title: str, text: str) -> str:
    """Return the searched text of a post by the rule of this revision, whatever the program's is later."""
    lines = (" ".join(part.split()) for part in (title, html.unescape(text)))
    return "\n".join(line.translate(_ONE_FOR_ONE).lower() for line in lines)


def downgrade() -> None:
    unseal(op.get_bind(), "post_words")
    op.drop_table("post_words")
    op.execute("DROP FUNCTION search_grams(text)")

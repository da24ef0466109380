"""Store the text of a post once: in its versions, of which the post names the current one."""

import sqlalchemy as sa
from alembic import op

from archive.db.migrations.row_seals import seal

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


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # the checksum of every post is computed again
    op.execute("DROP TRIGGER zz_seal ON posts")  # `seal` makes it again, over the new columns
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
    seal(op.get_bind(), "posts")


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("DROP TRIGGER zz_seal ON posts")
    op.add_column("posts", sa.Column("text", sa.Text(), nullable=True, comment="finalContent"))
    op.execute(
        "UPDATE posts SET text = coalesce((SELECT text FROM versions v WHERE v.id = current_version_id), '')"
    )
    op.alter_column("posts", "text", nullable=False)
    op.alter_column("posts", "idx", type_=sa.BigInteger())
    op.drop_column("posts", "current_version_id")
    seal(op.get_bind(), "posts", but=("text",))

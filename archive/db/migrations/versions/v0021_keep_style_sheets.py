"""Allow style sheets of WeChat's pages among the media: they belong to no post."""

import sqlalchemy as sa
from alembic import op

revision = "0021"

down_revision = "0020"

branch_labels = None

depends_on = None

_BEFORE = ("image", "audio", "video")


def upgrade() -> None:
    _check((*_BEFORE, "style"))
    op.execute(  # those of an archive that was downgraded
        "UPDATE media SET type = 'style' WHERE type = 'image'"
        " AND file_id IN (SELECT id FROM files WHERE media_type = 'text/css')"
    )
    op.create_index(
        op.f("ix__media__due_styles"),
        "media",
        ["id"],
        postgresql_where=sa.text("type = 'style' AND next_fetch_at IS NOT NULL"),
    )
    _describe(
        "Images, audios and videos of posts, and style sheets: the work list of their downloads",
        "image, audio, video or style (a style sheet)",
    )


def downgrade() -> None:
    op.drop_index(op.f("ix__media__due_styles"), table_name="media")
    # Earlier versions know no such type; a kept file stays, as an image that no post shows.
    op.execute("DELETE FROM media WHERE type = 'style' AND file_id IS NULL")
    op.execute("UPDATE media SET type = 'image' WHERE type = 'style'")
    _check(_BEFORE)
    _describe("Images, audios and videos of posts: the work list of their downloads", "image, audio or video")


def _check(types: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck__media__type"), "media")
    condition = f"type IN ({', '.join(map(repr, types))})"
    op.create_check_constraint(op.f("ck__media__type"), "media", condition)


def _describe(table: str, type_: str) -> None:
    op.create_table_comment("media", table)
    op.alter_column("media", "type", existing_type=sa.Text(), existing_nullable=False, comment=type_)

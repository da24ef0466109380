"""Allow incidents about logins, and about posts that are known by their titles only."""

from alembic import op

revision = "0019"

down_revision = "0018"

branch_labels = None

depends_on = None

_BEFORE = (
    "quiet", "blind", "source", "unwatched", "verification", "disk", "jobs", "config", "alarms", "inbox",
    "capture", "other_posts", "other",
)  # fmt: skip

_ADDED = ("announced", "login")


def upgrade() -> None:
    _check((*_BEFORE, *_ADDED))


def downgrade() -> None:
    op.execute(
        "UPDATE incidents SET kind = 'other', account_id = NULL, subject = kind || ':' ||"
        " coalesce((SELECT biz FROM accounts WHERE accounts.id = account_id), subject)"
        " WHERE kind IN ('announced', 'login')"
    )
    _check(_BEFORE)


def _check(kinds: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck__incidents__kind"), "incidents")
    condition = f"kind IN ({', '.join(map(repr, kinds))})"
    op.create_check_constraint(op.f("ck__incidents__kind"), "incidents", condition)

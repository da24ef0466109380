"""Conditions and columns about posts that many statements share."""

from sqlalchemy import func, text

from archive.models import AddressRow, Post

IS_ITS_ADDRESS = (AddressRow.account_id == Post.account_id) & (AddressRow.aid == Post.aid)
# Only the day is known of a post of a dump: noon of it, in Asia/Shanghai, stands for the instant.
NOON = func.timezone("Asia/Shanghai", Post.published_on + text("interval '12 hours'"))
PUBLISHED_AT = func.coalesce(Post.published_at, NOON)

"""Posts that appear while the stand-in runs: ordinary articles of two accounts, of one push at a time."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from archive.domain.outcomes import Kind
from tests.standin.account import COMMISSION, NEIGHBOUR, Account, Post
from tests.standin.pages import Shown
from tests.standin.posts import body_html, paragraphs
from tests.standin.site import Site

ALBUM = "3900000000000000009"  # of the commission
NEIGHBOUR_ALBUM = "3900000000000000010"
ALBUMS = {COMMISSION: ALBUM, NEIGHBOUR: NEIGHBOUR_ALBUM}
FIRST_MID = 2650100000
FIRST_PICTURE = 5000  # one a push: its posts show the same


def pushed(number: int, posts: int, at: datetime, account: Account = COMMISSION) -> list[Post]:
    """Return the posts of push `number`, published at an aware time; always the same for a number.

    A number belongs to one account.
    """
    mid = FIRST_MID + number
    return [
        Post(
            name=f"push-{number}-{idx}",
            kind=Kind.ARTICLE,
            mid=mid,
            title=f"合成：第{number}次推送的第{idx}篇",
            body=body_html(paragraphs(number * 10 + idx, 2), picture=FIRST_PICTURE + number),
            created=at,
            idx=idx,
            account=account,
            album=ALBUMS[account],
        )
        for idx in range(1, posts + 1)
    ]


def edited(post: Post) -> Post:
    """Return the post after a correction: the variant "edited"."""
    return replace(post, body=post.body.replace("不存在", "仍不存在"))


def publish(site: Site, order: dict[str, Any]) -> None:
    """Carry out the order "publish": number, posts, at (ISO), biz of the account."""
    account = next(one for one in ALBUMS if one.biz == order["biz"])
    for post in pushed(order["number"], order["posts"], datetime.fromisoformat(order["at"]), account):
        site.add(Shown(post), edited=Shown(edited(post)))

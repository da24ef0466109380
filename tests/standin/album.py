"""The album listing, as JSON and as a page (wechat.md, section 4.1)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from archive.domain.outcomes import Kind
from tests.standin.account import COMMISSION, Post
from tests.standin.skeleton import encoded, fill, js

FIRST_ITEMS = 10  # the page shows this many; the rest comes as JSON
_MOST = 20  # items of one JSON answer
_SHOW_TYPES = {Kind.VIDEO: "5", Kind.AUDIO: "7", Kind.PICTURE: "8", Kind.TEXT: "10"}


def album_json(posts: Sequence[Post], query: Mapping[str, str]) -> bytes:
    """One page of the listing: newest first, after `begin_msgid`/`begin_itemidx`; all values are strings."""
    ordered = _ordered(posts, reverse=query.get("is_reverse") == "1")
    begin = _begin(ordered, query)
    count = min(int(query.get("count") or "10"), _MOST)
    shown = ordered[begin : begin + count]
    more = begin + len(shown) < len(ordered)
    answer: dict[str, Any] = {
        "base_info": _base_info(posts) if begin == 0 else {"is_first_screen": "0"},
        "continue_flag": "1" if more else "0",
        "reverse_continue_flag": "1" if begin else "0",
    }
    items = [_item(post, len(posts) - posts_index) for posts_index, post in enumerate(shown, begin)]
    if items:  # one item comes bare, and past the end the field is missing
        answer = {"article_list": items if len(items) > 1 else items[0], **answer}
    whole = {"base_resp": {"exportkey_token": "", "ret": 0}, "getalbum_resp": answer}
    return json.dumps(whole, ensure_ascii=False).encode()


def album_page(album: str, posts: Sequence[Post]) -> bytes:
    """Return the album's HTML page with its first items."""
    ordered = _ordered(posts, reverse=False)
    items = "\n".join(_list_item(post, len(posts) - at) for at, post in enumerate(ordered[:FIRST_ITEMS]))
    account = posts[0].account if posts else COMMISSION
    return fill(
        "album.html",
        title_text="合成合集",
        title_js="合成合集",
        items=items,
        album_id=album if posts else "",
        nickname_js=js(account.nickname),
        user_name=account.user_name,
        count=len(posts),
        continue_flag=int(len(posts) > FIRST_ITEMS),
    ).encode()


def _ordered(posts: Sequence[Post], *, reverse: bool) -> list[Post]:
    return sorted(posts, key=lambda post: (post.created, post.mid, -post.idx), reverse=not reverse)


def _begin(ordered: Sequence[Post], query: Mapping[str, str]) -> int:
    last = f"{query.get('begin_msgid', '')}_{query.get('begin_itemidx', '')}"
    aids = [post.aid for post in ordered]
    return aids.index(last) + 1 if last in aids else 0


def _base_info(posts: Sequence[Post]) -> dict[str, str]:
    return {"article_count": str(len(posts)), "title": "合成合集", "is_first_screen": "1"}


def _item(post: Post, position: int) -> dict[str, Any]:
    return {
        "cover_img_1_1": "https://mmbiz.qpic.cn/mmbiz_jpg/synthetic_cover/300",
        "cover_theme_color": {"b": "1", "g": "2", "r": "3"},
        "create_time": str(post.timestamp),
        "is_pay_subscribe": "0",
        "is_read": "0",
        "item_show_type": _SHOW_TYPES.get(post.kind, "0"),
        "itemidx": str(post.idx),
        "key": f"{post.account.bizuin}_{post.mid}_{post.idx}",
        "msgid": str(post.mid),
        "pos_num": str(position),
        "title": post.shown_title,
        "tts_is_ban": "0",
        "url": post.url,
        "user_read_status": "0",
    }


def _list_item(post: Post, position: int) -> str:
    return (
        f'<li class="album__list-item js_album_item" data-msgid="{post.mid}" data-itemidx="{post.idx}" '
        f'data-link="{encoded(post.url)}" data-title="{encoded(post.shown_title)}" data-is_read="0" '
        f'data-pos_num="{position}"><span class="album__item-title-wrp">{encoded(post.shown_title)}</span>'
        "</li>"
    )

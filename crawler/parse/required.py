"""Say what a post's page lacks of what a record needs, and title a post by its words."""

import re

from archive.domain import entities
from archive.domain.outcomes import Kind
from crawler.parse.identity import Identity

MAX_TITLE = 1000  # characters; WeChat allows as many words in a post without a title

# Their authors need not give a title. WeChat's own pages of text posts then have all of their words for one.
_UNTITLED = frozenset({Kind.PICTURE, Kind.TEXT, Kind.SHORT})

_TAG = re.compile(r"<[^<>]{0,2000}>")


def title_of_words(kind: Kind, text: str) -> str:
    """Return the title of a post without one, its words as WeChat's pages have them; empty without words."""
    if kind not in _UNTITLED:
        return ""
    words = entities.unescape(_TAG.sub("", text).replace("\r", "\n"))
    return words.strip()[:MAX_TITLE].strip()


def missing_fields(identity: Identity, title: str, account: str) -> list[str]:
    """Return the names of the fields without which a post's page makes no record, in the record's order."""
    found = {
        "biz": identity.biz,
        "mid": identity.mid,
        "idx": identity.idx,
        "title": title,
        "time": identity.published_at,
        "account": account,
    }
    return [name for name, value in found.items() if not value]

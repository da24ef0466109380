"""What a page may be made of where a reader waits for it: so much takes under two seconds. Pure."""

import re

from archive.db.models import Post
from archive.domain.errors import PageError

MAX_LENGTH = 2_000_000  # characters of a body or text; real ones have under 500,000

MAX_TAGS = 12_000  # that begin or end an element; real bodies have under 4,000

MAX_MEDIA = 2_000  # images, players and cards, which take several times as long; real bodies have under 300

MAX_LINES = 4_000  # of a text, each of which becomes an element; real ones have under 1,500

MAX_ATTRIBUTES = 1_000  # of one element: a parser compares each with all before it; real ones have under 60

_MEDIUM = re.compile(r"<(?:im|iframe|video|audio|mp|qqmusic)|_iframe", re.I)


def check_size(post: Post) -> None:
    """Raise PageError where the page of a post could take longer than a reader waits."""
    body, text = post.html or "", post.text
    counts = (
        ("characters", max(len(body), len(text)), MAX_LENGTH),
        ("tags", body.count("<"), MAX_TAGS),
        ("images and players", len(_MEDIUM.findall(body)), MAX_MEDIA),
        ("lines", text.count("\r") + text.count("\n"), MAX_LINES),
        ("attributes of one element", max(tag.count("=") for tag in body.split("<")), MAX_ATTRIBUTES),
    )
    for what, count, most in counts:
        if count > most:
            raise PageError(f"it has {count} {what}, and at most {most} are shown here")

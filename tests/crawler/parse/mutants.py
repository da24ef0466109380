"""Damage real pages in seeded ways, and tell what the parser must not make of them."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from archive.domain.outcomes import Outcome
from crawler.parse.html_outline import outline, to_utf8
from crawler.parse.page import read_page
from tests.support.captures import capture, capture_names

NOTICE = "<p>该内容已被发布者删除</p>"

_TAG = re.compile(rb"<[^<>]{1,2000}>")
_PARAGRAPH = re.compile(rb"<(p|section)\b[^<>]*>(?:(?!<(?:p|section)\b).)*?</\1>", re.S)

_TITLES = (
    rb"""(property="og:title" content=")([^"]+)""",
    rb"""(var msg_title = ['"])([^'"]+)""",
    rb"""(cgiDataNew = \{(?:(?!\btitle:).)*?\btitle: (?:JsDecode\()?')([^']+)""",
    rb"""(id="activity-name"[^>]*>)([^<]+)""",
)
_TIMES = (
    rb"""(\bct ?= ?['"])(\d{10})""",
    rb"""(ori_create_time: ?['"])(\d{10})""",
    rb"""(create_timestamp: ?['"])(\d{10})""",
    rb"""(\bcreate_time: JsDecode\(')(\d{4}-\d\d-\d\d \d\d:\d\d)""",
)
_IDS = (
    rb"""(\bbiz ?= ?['"])([A-Za-z0-9]{8,}=*)""",
    rb"""(\bmid ?= ?['"])(\d{6,})""",
    rb"""(\bidx ?= ?['"])(\d)(?=['"])""",
    rb"""(\bsn ?= ?['"])([0-9a-f]{32})""",
    rb"""(\bbizuin: ?(?:JsDecode\()?['"])([A-Za-z0-9]{8,}=*)""",
    rb"""(\bmid: ?['"])(\d{6,})""",
    rb"""(\bsn: ?(?:JsDecode\()?['"])([0-9a-f]{32})""",
)


@dataclass(frozen=True)
class Original:
    """A real page that is read as an article, and where its body stands in it."""

    name: str
    served: bytes
    body: tuple[int, int] | None
    says: tuple[str, ...]
    images: frozenset[str]
    has_two: bool  # it holds its body twice


@dataclass(frozen=True)
class Mutant:
    """A damaged page and the kind of its damage."""

    kind: str
    original: Original
    served: bytes

    @property
    def stores_something_false(self) -> bool:
        """Tell whether the parser makes a post of it that says other things than the original."""
        reading = read_page(self.served)
        return reading.outcome is Outcome.ARTICLE and said(self.served) != self.original.says


def said(served: bytes) -> tuple[str, ...]:
    """Return what is stored of a page: title, text, time and ids; empty where it is no article."""
    reading = read_page(served)
    if reading.outcome is not Outcome.ARTICLE or reading.record is None:
        return ()
    record = reading.record
    facts = (str(reading.page.get(name, "")) for name in ("biz", "mid", "idx", "sn", "ct"))
    return (record.title, record.text, record.date, record.account, *facts)


def originals() -> list[Original]:
    """Return every real page of a post."""
    return [_original(name) for name in capture_names("article_*")]


def _original(name: str) -> Original:
    served = capture(name)
    reading = read_page(served)
    body = outline(to_utf8(served)).body
    start = served.rfind(body.encode()) if body else -1
    span = (start, start + len(body.encode())) if body and start != -1 else None
    copies = reading.page.get("copies", {})
    return Original(
        name, served, span, said(served), frozenset(reading.page.get("images", ())), "body" in copies
    )


Mutate = Callable[[Original, random.Random, list[Original]], bytes | None]


def _with_body(original: Original, body: bytes) -> bytes | None:
    if original.body is None:
        return None
    start, end = original.body
    return original.served[:start] + body + original.served[end:]


def _body(original: Original) -> bytes:
    start, end = original.body or (0, 0)
    return original.served[start:end]


def emptied(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Take the whole body away."""
    return _with_body(original, b"")


def cut(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Take a random piece out of the middle of the body, between two characters."""
    body = _body(original).decode()
    if len(body) < 10:
        return None
    start, end = sorted(chance.sample(range(len(body)), 2))
    return _with_body(original, (body[:start] + body[end:]).encode())


def _without(original: Original, pattern: re.Pattern[bytes], chance: random.Random) -> bytes | None:
    body = _body(original)
    found = list(pattern.finditer(body))
    if not found:
        return None
    for match in sorted(
        chance.sample(found, min(len(found), chance.randint(1, 5))), key=lambda m: -m.start()
    ):
        body = body[: match.start()] + body[match.end() :]
    return _with_body(original, body)


def without_tags(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Take some tags out of the body."""
    return _without(original, _TAG, chance)


def without_paragraphs(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Take some paragraphs out of the body."""
    return _without(original, _PARAGRAPH, chance)


def notice(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Put the notice of a deleted post in the body's place."""
    return _with_body(original, NOTICE.encode())


def other_body(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Put another post's body in the body's place."""
    return _with_body(original, _body(chance.choice(others)))


def _exchanged(
    original: Original, patterns: tuple[bytes, ...], chance: random.Random, others: list[Original]
) -> bytes | None:
    """Put another page's value in the place of one copy of a value."""
    pattern = re.compile(chance.choice(patterns), re.S)
    mine, theirs = pattern.search(original.served), pattern.search(chance.choice(others).served)
    if not mine or not theirs:
        return None
    return original.served[: mine.start(2)] + theirs[2] + original.served[mine.end(2) :]


def title(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Exchange one copy of the title."""
    return _exchanged(original, _TITLES, chance, others)


def time(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Exchange one copy of the time."""
    return _exchanged(original, _TIMES, chance, others)


def ids(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Exchange one copy of an id."""
    return _exchanged(original, _IDS, chance, others)


def half_gb18030(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Put one half of the page into GB18030."""
    served = original.served.decode()
    middle = chance.randint(len(served) // 4, 3 * len(served) // 4)
    halves = [served[:middle], served[middle:]]
    encodings = ["utf-8", "gb18030"]
    chance.shuffle(encodings)
    return b"".join(half.encode(encoding) for half, encoding in zip(halves, encodings, strict=True))


def truncated(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """End the page somewhere."""
    return original.served[: chance.randint(1, len(original.served) - 1)]


KINDS: tuple[Mutate, ...] = (
    emptied, cut, without_tags, without_paragraphs, notice, other_body, title, time, ids, half_gb18030,
    truncated,
)  # fmt: skip


def mutants(number: int, seed: int) -> Iterator[Mutant]:
    """Yield this many damaged pages; the same for the same seed."""
    chance, pages = random.Random(seed), originals()
    made = 0
    while made < number:
        original, mutate = chance.choice(pages), KINDS[made % len(KINDS)]
        served = mutate(original, chance, pages)
        if served is not None and served != original.served:
            made += 1
            yield Mutant(mutate.__name__, original, served)

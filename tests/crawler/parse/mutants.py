"""Damage real pages in seeded ways, and tell what the parser must not make of them.

`python -m tests.crawler.parse.mutants --number 2000 --seed 2026` counts by kind how many damaged pages are
stored as an article that says other things than the original, and ends with 1 where one of a page that has
its body twice is among them: it could have been recognized. 2000 take about four minutes.
"""

import argparse
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from archive.domain.outcomes import Outcome
from crawler.parse.html_outline import outline, to_utf8
from crawler.parse.page import read_page
from tests.support.captures import capture, capture_names

NOTICES = (
    "<p>该内容已被发布者删除</p>",
    "<section><p>此内容因违规无法查看</p></section>",
    '<div class="weui-msg"><h2 class="weui-msg__title">该内容已被发布者删除</h2></div>',
    "<p>此帐号已自主注销，内容无法查看</p>",
    "<p>环境异常</p><p>完成验证后即可继续访问</p>",
    "<p>参数错误</p>",
)

_TAG = re.compile(rb"<[^<>]{1,2000}>")
_PARAGRAPH = re.compile(rb"<(p|section)\b[^<>]*>(?:(?!<(?:p|section)\b).)*?</\1>", re.S)

_TITLES = (
    rb"""(property="og:title" content=")([^"]+)""",
    rb"""(var msg_title = ['"])([^'"]+)""",
    rb"""(cgiDataNew = \{(?:(?!\btitle:).)*?\btitle: (?:JsDecode\()?')([^']+)""",
    rb"""(id="activity-name"[^>]*>)([^<]+)""",
)
_ACCOUNTS = (
    rb"""(var nickname = htmlDecode\(")([^"]+)""",
    rb"""(\bnick_name: ?(?:JsDecode\()?['"])([^'"]+)""",
    rb"""(id="js_name"[^>]*>)\s*([^<]+)""",
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
    """Put a notice, as that of a deleted post, in the body's place."""
    return _with_body(original, chance.choice(NOTICES).encode())


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


def piece_in_gb18030(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Put a piece of the page into GB18030."""
    served = original.served.decode()
    start, end = sorted(chance.sample(range(len(served)), 2))
    return served[:start].encode() + served[start:end].encode("gb18030") + served[end:].encode()


def doubled(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Repeat some paragraphs of the body."""
    found = list(_PARAGRAPH.finditer(_body(original)))
    if not found:
        return None
    body = _body(original)
    match = chance.choice(found)
    return _with_body(original, body[: match.end()] + match[0] * chance.randint(1, 3) + body[match.end() :])


def exchanged_paragraphs(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Put two paragraphs of the body in each other's place."""
    found = list(_PARAGRAPH.finditer(_body(original)))
    if len(found) < 2:
        return None
    body = _body(original)
    one, two = sorted(chance.sample(found, 2), key=lambda match: match.start())
    between = body[one.end() : two.start()]
    return _with_body(original, body[: one.start()] + two[0] + between + one[0] + body[two.end() :])


def other_number(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Change one digit in the words of the body."""
    body = _body(original)
    digits = [match.start() for match in re.finditer(rb"(?<=>)[^<>]*?\d(?=[^<>]*<)", body)]
    if not digits:
        return None
    start = chance.choice(digits)
    match = re.compile(rb"\d").search(body, start)
    if match is None:
        return None
    digit = str((int(match[0]) + chance.randint(1, 9)) % 10).encode()
    return _with_body(original, body[: match.start()] + digit + body[match.end() :])


def closed_early(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """End the page somewhere, with closing tags, as a program does that repairs pages."""
    cut_off = truncated(original, chance, others)
    return cut_off + b"</div></div></body></html>" if cut_off else None


def body_of_other_everywhere(
    original: Original, chance: random.Random, others: list[Original]
) -> bytes | None:
    """Put another page's scripts and body behind the head: two answers in one."""
    other = chance.choice(others)
    head, _, _ = original.served.partition(b"</head>")
    _, _, rest = other.served.partition(b"</head>")
    return head + b"</head>" + rest if rest else None


def account(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """Exchange one copy of the account's name."""
    return _exchanged(original, _ACCOUNTS, chance, others)


def truncated(original: Original, chance: random.Random, others: list[Original]) -> bytes | None:
    """End the page somewhere."""
    return original.served[: chance.randint(1, len(original.served) - 1)]


KINDS: tuple[Mutate, ...] = (
    emptied, cut, without_tags, without_paragraphs, notice, other_body, title, time, ids, half_gb18030,
    truncated, piece_in_gb18030, doubled, exchanged_paragraphs, other_number, closed_early,
    body_of_other_everywhere, account,
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


def main() -> int:
    """Print a table by kind; return 1 where something false of a page with two copies is stored."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--number", type=int, default=2000)
    options.add_argument("--seed", type=int, default=2026)
    given = options.parse_args()
    tried, stored = Counter[tuple[str, bool]](), Counter[tuple[str, bool]]()
    for mutant in mutants(given.number, given.seed):
        key = (mutant.kind, mutant.original.has_two)
        tried[key] += 1
        if mutant.stores_something_false:
            stored[key] += 1
            print(f"{mutant.kind}: {mutant.original.name}", flush=True) if mutant.original.has_two else None
    for kind in KINDS:
        counts = [f"{stored[kind.__name__, two]:4} of {tried[kind.__name__, two]:4}" for two in (True, False)]
        print(f"{kind.__name__:26} two copies {counts[0]}   one copy {counts[1]}")
    false = sum(count for (_, has_two), count in stored.items() if has_two)
    print(
        f"{sum(tried.values())} tried, {sum(stored.values())} stored something false, {false} with two copies"
    )
    return int(false > 0)


if __name__ == "__main__":
    raise SystemExit(main())

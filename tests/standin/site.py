"""What the stand-in answers to an address, before any fault: posts, redirects, albums, saved pages."""

import gzip
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.standin.account import Expected, Post
from tests.standin.album import album_json, album_page
from tests.standin.media import styled
from tests.standin.notices import NOTICES, verification
from tests.standin.pages import Shown
from tests.standin.wire import Packed, pack

HTML = "text/html; charset=UTF-8"
CHALLENGE = "/mp/wappoc_appmsgcaptcha"


@dataclass(frozen=True)
class Answer:
    """One answer, ready to send."""

    content: Packed
    status: int = 200
    content_type: str = HTML
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Entry:
    """One post's address, what it can show, and what it shows now."""

    variants: dict[str, Shown]
    now: Shown
    packed: dict[Shown, Packed] = field(default_factory=dict)

    @property
    def post(self) -> Post:
        """The post the address belongs to; its ids never change."""
        return self.now.post

    def content(self, weight: int, *, is_styled: bool) -> Packed:
        """Return the page it shows now, compressed once."""
        if self.now not in self.packed:
            parts = self.now.render(weight)
            self.packed[self.now] = pack([styled(b"".join(parts))] if is_styled else parts)
        return self.packed[self.now]


class Site:
    """All addresses of one stand-in. `weight` is the bytes of script in a post's page.

    With `styled` posts load style sheets.
    """

    def __init__(self, weight: int, *, styled: bool = False) -> None:
        self.weight, self._styled = weight, styled
        self._entries: dict[str, Entry] = {}
        self._names: dict[str, Entry] = {}
        self._captures: dict[str, Packed] = {}
        self._captured_posts: dict[str, Packed] = {}
        self._bad_request = Answer(pack(NOTICES["bad-request"].render()))
        self._serial = 0

    def add(self, shown: Shown, **variants: Shown) -> None:
        """Publish one post; variants are other states it can be made to show (see `show`)."""
        entry = Entry({"original": shown, **variants}, shown)
        post = shown.post
        self._entries[_key(post.account.biz, str(post.mid), str(post.idx))] = entry
        for name in (post.name, post.aid, post.token):
            self._names[name] = entry

    def add_capture(self, name: str, body: bytes, ids: tuple[str, str, str] | None) -> None:
        """Serve a saved page at /captures/<name> and, where its ids are known, at the post's address."""
        self._captures[name] = pack([body])
        if ids:
            self._captured_posts[_key(*ids)] = self._captures[name]

    def prepare(self) -> None:
        """Build every page now, so that no request waits for it."""
        for entry in self._entries.values():
            entry.content(self.weight, is_styled=self._styled)

    def show(self, name: str, what: str) -> None:
        """Let a post's address show another of its variants, or a notice; raises KeyError."""
        entry = self._names[name]
        entry.now = entry.variants[what] if what in entry.variants else Shown(entry.post, NOTICES[what])

    def describe(self) -> list[Expected]:
        """Return what a correct parser reads at every post's address now."""
        return [entry.now.expected for entry in self._entries.values()]

    def posts(self) -> list[Post]:
        """Return the posts, in the order they were added."""
        return [entry.post for entry in self._entries.values()]

    def find(self, path: str, query: Mapping[str, str]) -> Entry | None:
        """Return the post at an address, if the stand-in has it."""
        if path.startswith("/s/"):
            return self._names.get(path.removeprefix("/s/"))
        return self._entries.get(_key(*(query.get(name, "") for name in ("__biz", "mid", "idx"))))

    def answer(self, path: str, query: Mapping[str, str], target: str) -> Answer:
        """Return the response to GET `target`, split into its path and query."""
        if path == "/s" or path.startswith("/s/"):
            return self._post(path, query, target)
        if path == "/mp/appmsgalbum":
            return self._album(query)
        if path == CHALLENGE:
            return Answer(pack(verification(query.get("target_url", ""), self._serial)))
        if path.startswith("/captures/") and path.removeprefix("/captures/") in self._captures:
            return Answer(self._captures[path.removeprefix("/captures/")])
        return Answer(pack([b"<html><body>404</body></html>"]), status=404)

    def _post(self, path: str, query: Mapping[str, str], target: str) -> Answer:
        entry = self.find(path, query)
        if entry is None:
            biz, mid, idx = (query.get(name, "") for name in ("__biz", "mid", "idx"))
            captured = self._captured_posts.get(_key(biz, mid, idx))
            return Answer(captured) if captured else self._bad_request
        short = path != "/s"
        if not short and query.get("sn") != entry.post.sn:
            return self._bad_request
        if not short and query.get("chksm") != entry.post.chksm:
            return self.challenge(target)
        return Answer(entry.content(self.weight, is_styled=self._styled))

    def challenge(self, target: str) -> Answer:
        """Return the redirect to the verification page."""
        self._serial += 1
        refused = quote(f"https://mp.weixin.qq.com{target}", safe="")
        location = f"{CHALLENGE}?poc_token=synthetic-poc-token-{self._serial}&target_url={refused}"
        return Answer(pack([b""]), 302, headers=(("Location", location),))

    def _album(self, query: Mapping[str, str]) -> Answer:
        album = query.get("album_id", "")
        posts = [entry.post for entry in self._entries.values() if album and entry.post.album == album]
        if query.get("f") == "json":
            return Answer(pack([album_json(posts, query)]), content_type="application/json; charset=UTF-8")
        return Answer(pack([album_page(album, posts)]))


def load_captures(site: Site, folder: Path) -> None:
    """Serve every *.html and *.html.gz below a folder: by name, and by the ids its page has."""
    for path in sorted(_saved(folder)):
        body = path.read_bytes()
        body = gzip.decompress(body) if path.suffix == ".gz" else body
        site.add_capture(path.name.removesuffix(".gz"), body, _ids_in(body))


def _ids_in(body: bytes) -> tuple[str, str, str] | None:
    """biz, mid and idx by the plain assignments of a page; good enough to find a saved page again."""
    found = [_first_value(body, name) for name in (b"biz", b"mid", b"idx")]
    return (found[0], found[1], found[2]) if all(found) else None


def _first_value(body: bytes, name: bytes) -> str:
    lines = re.findall(rb"""(?m)^\s*(?:var |window\.|d\.)%s\s*=\s*(["'][^;\n]*)""" % name, body)
    operands = (found[1] for line in lines for found in re.findall(rb"""(["'])(.*?)\1""", line))
    return next((value.decode("ascii", "replace") for value in operands if value), "")


def _saved(folder: Path) -> Iterable[Path]:
    return [*folder.rglob("*.html"), *folder.rglob("*.html.gz")]


def _key(biz: str, mid: str, idx: str) -> str:
    return f"{biz}:{mid}:{idx}"

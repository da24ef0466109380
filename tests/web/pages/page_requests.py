"""Requests for pages of the seeded archive, and the words of the answers."""

import re
from html import unescape

from tests.archive.making import BIZ
from tests.web.conftest import SeededSite
from tests.web.seeding import DELETED, EDITED
from tests.web.served import Answer

OTHER = "Mzk5OTAwMDAwMQ=="  # the stand-in's account
RICH = f"/posts/{OTHER}/2650000101_1"
POST, ACCOUNT = f"/posts/{BIZ}", f"/accounts/{BIZ}"
PAGES = (
    "/", "/accounts", "/changes", "/notes", "/health", "/search",
    "/search?q=%E5%90%88%E6%88%90&order=relevance",
    f"/compare?account={BIZ}&account={OTHER}",
    ACCOUNT, f"{ACCOUNT}/calendar", f"{ACCOUNT}/gaps", f"{ACCOUNT}/sources", RICH, f"{RICH}/page",
    f"{POST}/{EDITED}/history", f"{POST}/{EDITED}/versions/1", f"{POST}/{EDITED}/cite",
    f"{POST}/{DELETED}/captures", "/no-such-page",
)  # fmt: skip


def words(answer: Answer) -> str:
    """Return the text of a page, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.body.decode())).split())


def get(site: SeededSite, path: str, **headers: str) -> Answer:
    return site.web.ask("GET", path, **headers)

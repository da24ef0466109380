"""WeRead as the stand-in serves it: sign-in page, reader page, list, cover, renewal, and the Agent Gateway.

All of it is synthetic. The reader page signs each request with a number that the server gave it for one use,
so that a signature that is invented or repeated is refused.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crawler.discovery.sources.weread import book_id, reader_url
from crawler.discovery.weread_login import WeReadLogin
from tests.standin.account import COMMISSION, NEIGHBOUR, Account, Post
from tests.standin.site import HTML, Answer
from tests.standin.wire import pack

HOST, GATEWAY_HOST = "weread.qq.com", "i.weread.qq.com"
COOKIES = {
    "wr_vid": "390000071",
    "wr_skey": "synthetic-skey-5c2e",
    "wr_rt": "synthetic-refresh-91ab",
}
AGENT_KEY = "wrk-synthetic-key-4d7f"
RENEWED = "synthetic-skey-renewed"
NEWEST_SKILL = "1.0.3"
FAULTS = (
    "signature",  # -2041 to the list by plain HTTP; the reader page and the cover are answered
    "closed",  # -2041 to everything
    "captcha", "expired", "signed_out", "refused", "frequent", "unauthorized", "upgrade",
    "ms", "no_times", "other_book", "no_posts", "many", "no_token",  # the list, changed
)  # fmt: skip
_CODES = {"signed_out": -2010, "refused": -2013, "frequent": -2014, "closed": -2041}
_JSON = "application/json; charset=utf-8"
_MANY = 10_000
_PAGE = 20
_CAPTCHA = "<!DOCTYPE html><html><body><h1>安全验证</h1><p>请完成验证码</p></body></html>"
_SIGN_IN = """<!DOCTYPE html><html><head><title>合成微信读书</title></head><body>
<div class="login_dialog_qrcode"><canvas id="code" width="210" height="210"></canvas><p>微信扫码登录</p></div>
<script>
const uid = "%(uid)s", pen = document.getElementById("code").getContext("2d");
pen.fillStyle = "white"; pen.fillRect(0, 0, 210, 210);
const dot = (x, y, dark) => {
  pen.fillStyle = dark ? "black" : "white"; pen.fillRect(x * 10, y * 10, 10, 10);
};
for (let at = 0; at < 441; at++)
  dot(at %% 21, Math.floor(at / 21), uid.charCodeAt(at %% uid.length) >> (at %% 5) & 1);
for (const [left, top] of [[0, 0], [14, 0], [0, 14]])
  for (let x = -1; x < 8; x++) for (let y = -1; y < 8; y++) {
    const ring = Math.max(Math.abs(x - 3), Math.abs(y - 3));
    dot(left + x, top + y, ring < 2 || ring == 3);
  }
async function ask() {
  const answer = await (await fetch("/web/login/getinfo?uid=" + uid, {method: "POST"})).json();
  if (answer.vid) location.replace("/"); else setTimeout(ask, 200);
}
ask();
</script></body></html>"""
_HOME = "<!DOCTYPE html><html><body><div class='wr_avatar'>合成读者</div><p>我的书架</p></body></html>"
_READER = """<!DOCTYPE html><html><body><h1>合成公众号</h1><ul id="list"></ul>
<script>
async function sign(text) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(bytes)].map(one => one.toString(16).padStart(2, "0")).join("");
}
(async () => {
  const nonce = await (await fetch("/web/mp/nonce")).text();
  const path = "/web/mp/articles?bookId=%(book)s&offset=0";
  const answer = await fetch(path, {headers: {"x-wrpa-0": nonce + "." + await sign(nonce + path)}});
  document.getElementById("list").textContent = (await answer.text()).slice(0, 100);
})();
</script></body></html>"""


def sign_in(home: Path, name: str = "default") -> WeReadLogin:
    """Store a login without a browser profile below a data home, as if somebody had signed in."""
    login = WeReadLogin(home, name)
    login.signed_in(COOKIES)
    return login


@dataclass(frozen=True)
class Call:
    """One request; `posts` are those of all accounts, `fault` is what strikes it."""

    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    posts: Sequence[Post]
    fault: str


class WeRead:
    """WeRead's two hosts."""

    def __init__(self) -> None:
        self._nonces: set[str] = set()
        self._scanned: set[str] = set()
        self._waiting = ""
        self._skeys = {COOKIES["wr_skey"]}

    def scan(self) -> None:
        """Scan the code of the sign-in page that was opened last."""
        if not self._waiting:
            raise ValueError("no sign-in page was opened")
        self._scanned.add(self._waiting)

    def answer(self, call: Call) -> Answer:
        """Return the answer to a request at one of the hosts."""
        if call.host == GATEWAY_HOST:
            return self._gateway(call)
        open_to_all = {
            "/": self._home,
            "/web/login/getinfo": self._sign_in_state,
            "/web/login/renewal": self._renewal,
        }
        if call.path in open_to_all:
            return open_to_all[call.path](call)
        if call.fault == "captcha":
            return Answer(pack([_CAPTCHA.encode()]), content_type=HTML)
        if call.fault == "unauthorized":
            return _json({"errCode": -2012, "errMsg": "LOGIN ERR"}, 401)
        return self._with_login(call)

    def _with_login(self, call: Call) -> Answer:
        signed_in = self._is_signed_in(call.headers) and call.fault not in ("expired", "signed_out")
        if call.path.startswith("/web/mp/reader/"):
            return self._reader(call.path) if signed_in else self._sign_in_page()
        if call.fault in _CODES:
            return _error(_CODES[call.fault])
        if not signed_in:
            return _error(-2012 if "wr_skey" in call.headers.get("cookie", "") else -2010)
        answers = {"/web/mp/nonce": self._nonce, "/web/mp/articles": self._list, "/api/mp/cover": _cover}
        return answers.get(call.path, _not_found)(call)

    def _nonce(self, _call: Call) -> Answer:
        self._nonces.add(nonce := secrets.token_hex(8))
        return Answer(pack([nonce.encode()]), content_type="text/plain")

    def _is_signed_in(self, headers: Mapping[str, str]) -> bool:
        pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
        cookies = {name: value for name, _, value in pairs}
        return cookies.get("wr_vid") == COOKIES["wr_vid"] and cookies.get("wr_skey") in self._skeys

    def _home(self, call: Call) -> Answer:
        if self._is_signed_in(call.headers):
            return Answer(pack([_HOME.encode()]), content_type=HTML)
        return self._sign_in_page()

    def _sign_in_page(self) -> Answer:
        self._waiting = f"uid-{secrets.token_hex(6)}"
        return Answer(pack([(_SIGN_IN % {"uid": self._waiting}).encode()]), content_type=HTML)

    def _sign_in_state(self, call: Call) -> Answer:
        if call.query.get("uid", "") not in self._scanned:
            return _json({"scan": 0})
        cookies = tuple(
            ("Set-Cookie", f"{name}={value}; Path=/; Secure; Max-Age=2592000")
            for name, value in COOKIES.items()
        )
        return _json({"vid": int(COOKIES["wr_vid"])}, headers=cookies)

    def _renewal(self, call: Call) -> Answer:
        known = f"wr_rt={COOKIES['wr_rt']}" in call.headers.get("cookie", "")
        if not known or call.fault in ("expired", "signed_out"):
            return _error(-2013)
        self._skeys = {RENEWED}
        return _json({"succ": 1}, headers=(("Set-Cookie", f"wr_skey={RENEWED}; Path=/; Secure"),))

    def end_session(self) -> None:
        """Let the session time out: it can be renewed."""
        self._skeys = set()

    def _reader(self, path: str) -> Answer:
        account = next(
            (one for one in (COMMISSION, NEIGHBOUR) if reader_url(book_id(one.biz)).endswith(path)),
            COMMISSION,
        )
        return Answer(pack([(_READER % {"book": book_id(account.biz)}).encode()]), content_type=HTML)

    def _list(self, call: Call) -> Answer:
        query, fault = call.query, call.fault
        signature = call.headers.get("x-wrpa-0", "")
        if signature and not self._takes(signature):
            return _error(-2041)
        if fault == "signature" and not signature:
            return _error(-2041)
        book, offset = query.get("bookId", ""), int(query.get("offset", "0"))
        pushes = _pushes(call.posts, book)
        if fault == "no_posts":
            pushes = []
        groups = [_group(push, book, fault) for push in pushes]
        if fault == "many" and groups:
            return _json({"reviews": (groups * (_MANY // len(groups) + 1))[:_MANY], "clearAll": 0})
        return _json({"reviews": groups[offset : offset + _PAGE], "clearAll": 0, "synckey": 1})

    def _takes(self, signature: str) -> bool:
        """Tell whether a signature is good; its number is used up then."""
        nonce, _, digest = signature.partition(".")
        if nonce not in self._nonces or len(digest) != 64:
            return False
        self._nonces.discard(nonce)
        return True

    def _gateway(self, call: Call) -> Answer:
        headers, fault, posts = call.headers, call.fault, call.posts
        asked = json.loads(call.body or b"{}")
        if headers.get("authorization") != f"Bearer {AGENT_KEY}":
            return _json({"errcode": -2010, "errmsg": "invalid key"})
        if fault == "upgrade" or asked.get("skill_version") != NEWEST_SKILL:
            return _json({"errcode": 0, "upgrade_info": {"latest_version": "9.9.9", "message": "请升级"}})
        if fault in _CODES:
            return _json({"errcode": _CODES[fault], "errmsg": f"synthetic {fault}"})
        if asked.get("api_name") != "/book/chapterinfo":
            return _json({"errcode": -1, "errmsg": "unknown api"})
        book = str(asked.get("bookId", ""))
        listed = [post for push in _pushes(posts, book) for post in push]
        chapters = [
            {
                "chapterUid": number,
                "chapterIdx": number,
                "title": post.shown_title,
                "wordCount": 1000,
                "updateTime": post.timestamp,
                "isMPChapter": 1,
            }
            for number, post in enumerate([] if fault == "no_posts" else listed, 1)
        ]
        return _json({"errcode": 0, "bookId": book, "chapters": chapters})


def _pushes(posts: Sequence[Post], book: str) -> list[list[Post]]:
    """Return an account's posts by push, newest first."""
    pushes: dict[int, list[Post]] = {}
    own = [post for post in posts if book_id(post.account.biz) == book]
    for post in sorted(own, key=lambda post: (-post.timestamp, -post.mid, post.idx)):
        pushes.setdefault(post.mid, []).append(post)
    return list(pushes.values())


def _written(token: str) -> str:
    """Return a token as WeRead writes it, with `~` for `_`."""
    return token.replace("_", "~")


def _other(account: Account) -> str:
    return book_id((NEIGHBOUR if account == COMMISSION else COMMISSION).biz)


def _group(push: Sequence[Post], book: str, fault: str) -> dict[str, Any]:
    reviews = [
        {"reviewId": one["reviewId"], "review": one} for one in (_review(post, book, fault) for post in push)
    ]
    created = None if fault == "no_times" else push[0].timestamp
    return {"createTime": created, "subCount": len(reviews), "subReviews": reviews}


def _review(post: Post, book: str, fault: str) -> dict[str, Any]:
    time = {"ms": post.timestamp * 1000, "no_times": None}.get(fault, post.timestamp)
    belongs = _other(post.account) if fault == "other_book" else book
    token = "" if fault == "no_token" else _written(post.token)
    return {
        "reviewId": f"{belongs}_{token}" if token else belongs,
        "type": 16,
        "createTime": time,
        "belongBookId": belongs,
        "mpInfo": {
            "title": post.shown_title,
            "originalId": token,
            "time": time,
            "mpName": post.account.nickname,
        },
    }


def _not_found(_call: Call) -> Answer:
    return Answer(pack([b"<html><body>404</body></html>"]), status=404)


def _cover(call: Call) -> Answer:
    book, fault = call.query.get("bookId", ""), call.fault
    pushes = [] if fault == "no_posts" else _pushes(call.posts, book)
    if not pushes:
        return _json({"name": "合成公众号"})
    newest = _review(pushes[0][0], book, fault)
    title = newest["mpInfo"]["title"]
    return _json(
        {"name": newest["mpInfo"]["mpName"], "title": title, "pic": "", "reviewId": newest["reviewId"]}
    )


def _error(code: int) -> Answer:
    return _json({"errCode": code, "errMsg": f"synthetic {code}"})


def _json(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Answer(pack([body]), status=status, content_type=_JSON, headers=headers)

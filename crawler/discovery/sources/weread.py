"""The source `weread`: what WeRead lists of an account, with the user's own login.

There are three ways, tried in this order: the list that the reader's page receives in a browser profile, the
same list by plain HTTP, and the cover, which has the newest post only. No signature is computed or repeated.
"""

import re
from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlencode

from archive.domain.addresses import HOST
from archive.domain.messages import Message
from crawler.discovery.responses import (
    MAX_NOTICE_BYTES,
    as_number,
    as_objects,
    as_text,
    is_web_page,
    json_reply,
    post_key,
)
from crawler.discovery.source import (
    Discovery,
    Fetch,
    ListedPost,
    PageVisit,
    Reply,
    SourceError,
    SourceFindings,
    State,
    newest_of,
)
from crawler.discovery.sources.weread_list import (
    WEREAD_HOST,
    WeReadList,
    book_id,
    read_weread_list,
    reader_url,
    short_token,
)
from crawler.discovery.weread_login import (
    BETTER_WAY_AFTER,
    COOKIE_NAMES,
    COVER,
    LIST,
    READER,
    LoginRecord,
    WeReadLogin,
)

LIST_PATH = "/web/mp/articles"

MAX_PAGES = 3  # of one look by plain HTTP: 60 pushes

MAX_REMEMBERED = 80  # keys of the newest posts

_CAPTCHA = re.compile("captcha|验证码|安全验证|拖动滑块", re.IGNORECASE)

_LOGIN_PAGE = re.compile("扫码登录|微信扫码|请先登录|重新登录")

_NO_READER = ("crawler.weread.no_list_seen", "crawler.browser.missing")  # codes: another way may be answered

_NO_LOGIN, _TIMED_OUT, _REFUSED, _NOT_SIGNED, _TOO_OFTEN = -2010, -2012, -2013, -2041, -2014

LOGIN_PROBLEMS = {  # WeRead's error codes that concern the login
    _NO_LOGIN: (State.LOGIN_EXPIRED, "login_expired"),
    _TIMED_OUT: (State.LOGIN_EXPIRED, "login_expired"),
    _REFUSED: (State.REFUSED, "refused"),
    _TOO_OFTEN: (State.RATE_LIMITED, "too_often"),
    _NOT_SIGNED: (State.RATE_LIMITED, "signature"),
}


class LoginProblem(SourceError):
    """WeRead refuses the login; `problem` is the word for it in the login's record."""

    def __init__(self, state: State, problem: str):
        super().__init__(state, f"crawler.weread.problem.{problem}")
        self.problem = problem


def _raise_for_error(answer: Mapping[str, Any]) -> None:
    """Raise SourceError when the answer is an error."""
    code = as_number(answer.get("errCode")) or 0
    if code in LOGIN_PROBLEMS:
        raise LoginProblem(*LOGIN_PROBLEMS[code])
    if code:
        text = as_text(answer.get("errMsg"))[:60]
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.source.unknown_error", number=code, text=text)


class _NotAnswered(Exception):
    """This way gives no list for this login; the next way may."""


class WeRead:
    """The posts of one account in WeRead, by a login that other accounts may share."""

    name = "weread"
    host = WEREAD_HOST

    def __init__(self, biz: str, login: WeReadLogin, problem: Message | None = None):
        self._book = book_id(biz)
        self._login = login
        self._problem = problem

    def may_look(self, now: datetime) -> bool:
        """Tell whether the login may be used now; where there is none, a check says so."""
        return self._problem is not None or self._login.unavailable(now) is None

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List what is new since the last look; where the login rests, send nothing."""
        if self._problem:
            remedy = Message("crawler.weread.remedy.not_signed_in")
            return SourceFindings(State.NOT_CONFIGURED, self._problem, memory=memory, remedy=remedy)
        if reason := self._login.unavailable(now):
            problem = self._login.record().problem
            state = next(
                (state for state, name in LOGIN_PROBLEMS.values() if name == problem), State.RATE_LIMITED
            )
            return SourceFindings(state, reason, memory=memory, remedy=_remedy(problem or "looks_used_up"))
        return (yield from _Look(self._book, self._login, memory, now).findings())


def _remedy(problem: str) -> Message:
    return Message(f"crawler.weread.remedy.{problem}")


class _Look:
    """One look at an account's list."""

    def __init__(self, book: str, login: WeReadLogin, memory: dict[str, Any], now: datetime):
        self._book = book
        self._login = login
        self._memory = memory
        self._now = now
        self._known = set(memory.get("newest") or ())
        self._record = LoginRecord()
        self._cookies: dict[str, str] = {}
        self._has_renewed = False

    def findings(self) -> Discovery:
        self._record = self._login.begin_look()
        self._cookies = self._login.cookies()
        try:
            way, listed = yield from self._list()
        except LoginProblem as error:
            self._login.finish_look(self._after(error))
            return replace(error.findings([], self._memory), remedy=_remedy(error.problem))
        except SourceError as error:
            self._login.finish_look(self._record)
            return error.findings([], self._memory)
        self._login.finish_look(self._record.answered(way, self._now, all_tried=self._tries_all))
        return self._found(way, listed)

    def _after(self, error: LoginProblem) -> LoginRecord:
        if error.state is State.LOGIN_EXPIRED:
            return self._record.expired(self._now)
        return self._record.refused(error.problem, self._now)

    def _list(self) -> Generator[Fetch, Reply, tuple[str, WeReadList]]:
        """Try the ways in order, from the one that was answered last. Raises SourceError."""
        attempts = {READER: self._read_page, LIST: self._read_list, COVER: self._read_cover}
        ways = [READER, LIST, COVER] if self._login.has_profile else [LIST, COVER]
        for way in ways[0 if self._tries_all else ways.index(self._record.way) :]:
            try:
                return way, (yield from attempts[way]())
            except _NotAnswered:
                continue
        raise LoginProblem(*LOGIN_PROBLEMS[_NOT_SIGNED])

    @property
    def _tries_all(self) -> bool:
        """Tell whether also the ways before the one that was answered last are tried: once a day."""
        record = self._record
        if record.way not in (LIST, COVER) or record.ways_tried_at is None:
            return True
        return not timedelta(0) <= self._now - record.ways_tried_at < BETTER_WAY_AFTER

    def _read_page(self) -> Generator[Fetch, Reply, WeReadList]:
        """Read the list that the reader's page receives: its first page only."""
        login = self._login
        visit = PageVisit(login.profile, LIST_PATH, login.hold_profile, self._merge_cookies, self._cookies)
        reply = yield Fetch(reader_url(self._book), secret=True, wait=self._login.reserve_call(), visit=visit)
        if reply.error and reply.error.code in _NO_READER:
            raise _NotAnswered
        answer = self._checked(reply)
        _raise_for_error(answer)
        return read_weread_list(answer, self._book)

    def _read_list(self) -> Generator[Fetch, Reply, WeReadList]:
        """Read the list by plain HTTP, to the first push that is known."""
        found = WeReadList()
        offset = 0
        for _ in range(MAX_PAGES):
            answer = yield from self._get(LIST_PATH, {"bookId": self._book, "offset": str(offset)})
            page = read_weread_list(answer, self._book)
            found.extend(page)
            offset += len(as_objects(answer.get("reviews")))
            if not page.groups or page.cut or any(map(self._is_known, page.groups)):
                break
        return found

    def _read_cover(self) -> Generator[Fetch, Reply, WeReadList]:
        """Read the newest post, without its time."""
        answer = yield from self._get("/api/mp/cover", {"bookId": self._book})
        review_id = as_text(answer.get("reviewId"))
        if review_id.startswith("MP_WXS_") and not f"{review_id}_".startswith(f"{self._book}_"):
            return WeReadList(foreign=1)
        if not review_id and not answer.get("title"):
            return WeReadList()
        token = short_token("", review_id, self._book)
        post = ListedPost(f"https://{HOST}/s/{token}" if token else "", as_text(answer.get("title")))
        return WeReadList([[post]]) if token else WeReadList(announced=[post])

    def _get(self, path: str, query: dict[str, str]) -> Generator[Fetch, Reply, dict[str, Any]]:
        """Send a request with the login's cookies, and once more after the login was renewed."""
        url = f"https://{WEREAD_HOST}{path}?{urlencode(query)}"
        answer = self._checked((yield self._fetch(url)))
        if as_number(answer.get("errCode")) == _TIMED_OUT and (yield from self._renew()):
            answer = self._checked((yield self._fetch(url)))
        if as_number(answer.get("errCode")) == _NOT_SIGNED:
            raise _NotAnswered
        _raise_for_error(answer)
        return answer

    def _renew(self) -> Generator[Fetch, Reply, bool]:
        """Renew the login, once in a look; tell whether that brought a new session."""
        if self._has_renewed or not self._cookies.get("wr_rt"):
            return False
        self._has_renewed = True
        before = dict(self._cookies)
        reply = yield self._fetch(f"https://{WEREAD_HOST}/web/login/renewal", "POST", b'{"rq":"%2F"}')
        self._checked(reply)
        return self._cookies != before

    def _fetch(self, url: str, method: str = "GET", body: bytes = b"") -> Fetch:
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items() if name in COOKIE_NAMES)
        headers = [("Cookie", cookie), ("Referer", f"https://{WEREAD_HOST}/"), ("Accept", "application/json")]
        if body:
            headers.append(("Content-Type", "application/json"))
        wait = self._login.reserve_call()
        return Fetch(url, method, tuple(headers), body, secret=True, follow=False, wait=wait, retry=False)

    def _checked(self, reply: Reply) -> dict[str, Any]:
        """Return the JSON object of a reply, and store the cookies it sets. Raises SourceError."""
        self._store_cookies(reply)
        if reply.status == 401:
            raise LoginProblem(State.RATE_LIMITED, "unauthorized")
        page = reply.body[:MAX_NOTICE_BYTES].decode("utf-8", "replace") if is_web_page(reply.body) else ""
        if _LOGIN_PAGE.search(page):
            raise LoginProblem(State.LOGIN_EXPIRED, "login_expired")
        if _CAPTCHA.search(page) or _CAPTCHA.search(reply.header("location")):
            raise LoginProblem(State.RATE_LIMITED, "captcha")
        return json_reply(reply)

    def _store_cookies(self, reply: Reply) -> None:
        headers = [value for name, value in reply.headers if name.lower() == "set-cookie"]
        self._merge_cookies(
            {name: one.value for value in headers for name, one in _cookies_of(value).items()}
        )

    def _merge_cookies(self, cookies: Mapping[str, str]) -> None:
        """Store the session's cookies of these where they changed."""
        changed = {name: value for name, value in cookies.items() if name in COOKIE_NAMES and value}
        if changed.items() - self._cookies.items():
            self._cookies |= changed
            self._login.save_cookies(self._cookies)

    def _is_known(self, group: list[ListedPost]) -> bool:
        return bool(group) and all(post_key(post.url) in self._known for post in group)

    def _found(self, way: str, listed: WeReadList) -> SourceFindings:
        """Return the findings: the posts of the pushes before the first known one."""
        warnings = listed.warnings()
        if listed.foreign and not listed.groups:
            foreign = Message("crawler.weread.other_account", {"n": listed.foreign})
            return SourceFindings(State.FOREIGN, foreign, memory=self._memory)
        if not listed.groups and not listed.announced:
            return SourceFindings(State.EMPTY, Message("crawler.weread.empty"), memory=self._memory)
        new: list[ListedPost] = []
        for group in listed.groups:
            if self._is_known(group):
                break
            new += group
        everything = [post for group in listed.groups for post in group]
        keys = [post_key(post.url) for post in everything]
        remembered = list(dict.fromkeys((*keys, *(self._memory.get("newest") or ()))))[:MAX_REMEMBERED]
        state = State.OK if new or listed.announced else State.UNCHANGED
        if way == COVER:
            state, warnings = State.NEWEST_ONLY, (*warnings, Message("crawler.weread.newest_only"))
        return SourceFindings(
            state,
            None,
            tuple(new),
            newest_of(everything),
            self._memory | {"newest": remembered},
            warnings,
            announced=tuple(listed.announced),
        )


def _cookies_of(header: str) -> SimpleCookie:
    try:
        return SimpleCookie(header)
    except CookieError:
        return SimpleCookie()

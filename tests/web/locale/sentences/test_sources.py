"""What sources say of themselves has Chinese: driven to every end they have, and read off their code."""

import ast
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadTimeoutError,
    ResponseDataLossError,
)
from scrapy.settings import Settings

import crawler.discovery
import crawler.spiders.discover
from archive.domain.weekly_digest import Title
from crawler.discovery.requests import reason_of
from crawler.discovery.screening import MAX_SEEN, screen
from crawler.discovery.source import Ask, Found, Reply, Seen, SourceRun, State
from crawler.discovery.sources.address_list import AddressList
from crawler.discovery.sources.album import Album
from crawler.discovery.sources.archived_links import Neighbourhood, Neighbours
from crawler.discovery.sources.backend import Login, LoginError, OwnBackend, read_login
from crawler.discovery.sources.feed import Feed
from crawler.discovery.sources.official_api import Official
from tests.archive.domain.test_weekly_digest import DAY, digest
from tests.crawler.discovery import test_driver
from tests.crawler.discovery.driving import BIZ, NOW, OTHER, drive, page, post_url
from tests.crawler.discovery.sources import test_album
from tests.web.locale.sentences.written import texts
from web.locale.sentences import translated

LOGIN = Login("slave_bizuin=3999000001", "77005511")
HTML, LOGIN_PAGE = b"<!DOCTYPE html><html></html>", "<!DOCTYPE html><html>请重新登录</html>".encode()
MOVED = Reply(302, "https://mp.weixin.qq.com/x", (("Location", "https://new.example/f"),))
TO_LOGIN = Reply(302, "https://mp.weixin.qq.com/x", (("Location", "/cgi-bin/loginpage?t=x"),))
CHALLENGE = Reply(302, "", (("Location", "https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?x=1"),))
STATUSES = (400, 401, 403, 404, 410, 429, 500)
ANSWERS = [
    *(Reply(error="its host is not known"), MOVED, TO_LOGIN, CHALLENGE),
    *(page(HTML), page(LOGIN_PAGE), page(b"\0"), page({}), page([])),
    *(page({}, status) for status in STATUSES),
]


def _backend(ret: int, biz: str = BIZ) -> Found:
    return drive(OwnBackend(biz, LOGIN), lambda _: page({"base_resp": {"ret": ret}}))[0]


def _listing(ret: int, **more: object) -> Found:
    return drive(Album(BIZ, "77"), [page({"base_resp": {"ret": ret}, **more})])[0]


def _official(code: int) -> Found:
    return drive(Official("wx", "secret"), lambda _: page({"errcode": code}))[0]


def _of_albums() -> Iterator[Found]:
    yield from (drive(Album(BIZ, "77"), [answer])[0] for answer in ANSWERS)
    yield from (_listing(0), _listing(0, getalbum_resp={}), _listing(200013), _listing(7))
    yield drive(Album(BIZ, "77"), test_album.Server(list(range(1, 2000))))[0]


def _of_feeds() -> Iterator[Found]:
    elsewhere = {"items": [{"url": "https://elsewhere.example/1"}]}
    bodies = ({"items": []}, elsewhere, {"error": 1}, b"\0", b"<rss>" + b" " * 9_000_000)
    yield from (drive(Feed("https://rss.example/f"), [page(body)])[0] for body in bodies)
    yield drive(Feed("https://rss.example/f"), [page(b"", 304)])[0]


def _of_the_back_end() -> Iterator[Found]:
    yield from (_backend(ret) for ret in (0, 200002, 200003, 200013, 200040))
    yield _backend(200013, OTHER)
    yield drive(OwnBackend(BIZ, None))[0]
    nothing = page({"base_resp": {"ret": 0}, "publish_page": "{}"})
    for left in (timedelta(hours=23), -timedelta(hours=1)):
        yield drive(OwnBackend(BIZ, Login("a=1", "1", NOW + left)), [nothing])[0]
    lists = [page({"base_resp": {"ret": 200002}}), page({"base_resp": {"ret": 0}})]
    yield drive(OwnBackend(BIZ, LOGIN), lists)[0]


def _of_the_interface() -> Iterator[Found]:
    codes = (40001, 40002, 40013, 40125, 40164, 40243, 42001, 48001, 50007, 45009, 45011, 89503, -1, 0)
    yield from map(_official, codes)
    yield drive(Official("wx", ""))[0]
    yield drive(Official("wx", "s"), [page({"access_token": "x"}), page({"item": []})])[0]


def _of_what_is_known() -> Iterator[Found]:
    yield from (drive(AddressList(text))[0] for text in ("", "a\n", "a\n" * 3, "a\n" * 9))
    yield drive(Neighbours(Neighbourhood()))[0]
    yield drive(Neighbours(Neighbourhood(titles=(Title("合成", DAY),), albums=("11", "22"))))[0]
    titles = tuple(Title(title, DAY) for title in ("合成",))
    yield drive(Neighbours(Neighbourhood(digests=(digest(),), titles=titles)))[0]
    five = "".join(f"0{number} 虚构的第{number}条新闻标题\r" for number in range(1, 6))
    yield drive(Neighbours(Neighbourhood(digests=(digest(f"合成一周要闻\r{five}"),), titles=titles)))[0]


def _screened() -> Iterator[Found]:
    other, late = Seen(post_url(8, OTHER)), Seen(post_url(9), published_at=NOW + timedelta(days=9))
    no_post, own = Seen("https://example.com/"), Seen(post_url(1))
    many = [Seen(post_url(number)) for number in range(MAX_SEEN)]
    few = [[own, other, late, no_post], [own, own, other, other, late, late, no_post, no_post]]
    for seen in (*few, [own, other, other], [other], [late], [*many, own], [*many, own, own]):
        yield screen(Found(State.OK, seen=tuple(seen)), BIZ, "album:1", NOW).found


def _ended() -> Iterator[Found]:
    for source in (test_driver.Source(10_000), test_driver.Source(error=KeyError("x"))):
        yield test_driver.run(source)[1]


def _no_answers() -> Iterator[str]:
    settings = Settings({"DOWNLOAD_TIMEOUT": 2, "DOWNLOAD_MAXSIZE": 16 * 2**20})
    for error in (
        DownloadTimeoutError(), DownloadCancelledError(), CannotResolveHostError(),
        DownloadConnectionRefusedError(), ResponseDataLossError(), ValueError(),
    ):  # fmt: skip
        yield reason_of(error, settings)


def _no_logins() -> Iterator[str]:
    for text in (
        "", "cookie: x", "token: 1", "cookie: a=1\ntoken: x", json.dumps({"cookie": "a\nb", "token": "1"}),
        json.dumps({"cookie": "a=1", "token": "1", "ends": "soon"}),
    ):  # fmt: skip
        with pytest.raises(LoginError) as raised:
            read_login(text)
        yield str(raised.value)


def details() -> list[str]:
    """What sources say, with their remarks behind it as they are noted."""
    ways = (
        _of_albums, _of_feeds, _of_the_back_end, _of_the_interface, _of_what_is_known, _screened, _ended,
    )  # fmt: skip
    found = [found for way in ways for found in way()]
    told = [" ".join(filter(None, (one.detail, *one.warnings))) for one in found]
    return [*filter(None, told), *_no_answers(), *_no_logins()]


def written() -> Iterator[str]:
    """What is said of a source by its code: the texts that follow a state, and why a reply did not come."""
    folder = Path(next(iter(crawler.discovery.__path__)))
    return texts((*folder.glob("*.py"), Path(crawler.spiders.discover.__file__)), _told)


def _told(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Call(func=ast.Name("Trouble"), args=[_, ast.BoolOp(values=[*_, words])]):
            yield words
        case ast.Tuple(elts=[state, words, *_]) | ast.Call(args=[state, words, *_]):
            if ast.unparse(state).startswith("State."):
                yield words
        case ast.Assign(targets=[ast.Name("detail")], value=words):
            yield words
        case ast.Call(func=ast.Name("Reply"), keywords=[ast.keyword(arg="error", value=words)]):
            yield words


def _is_quoted(detail: str) -> bool:
    """The server's own number and words for what it refuses, of which nothing is known."""
    return detail.startswith(("ret ", "error "))


def test_whatever_a_source_says_when_it_is_driven_is_said_in_chinese() -> None:
    told = details()
    assert len(set(told)) > 60
    assert [one for one in told if translated(one) is None and not _is_quoted(one)] == []


def test_whatever_a_source_may_say_by_its_code_is_said_in_chinese() -> None:
    told = list(written())
    assert len(told) > 40
    assert [one for one in told if translated(one) is None and not _is_quoted(one)] == []


def test_a_source_ended_from_outside_is_told_in_chinese() -> None:
    one = SourceRun(test_driver.Source(), {}, NOW)
    assert isinstance(one.step(), Ask)
    detail = one.end(State.VERIFICATION, "not asked: h.example asked another source for verification").detail
    assert translated(detail) == "未询问：h.example 已要求另一个来源进行验证"

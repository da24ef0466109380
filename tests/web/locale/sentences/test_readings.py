"""Why an answer is no post, as the evidence of a gap has it: said in Chinese but for the page's own words."""

import ast
from collections.abc import Iterator
from pathlib import Path

import crawler
from crawler.parse.html_outline import MAX_TAGS
from crawler.parse.page import read_page
from tests.web.locale.sentences.written import texts
from web.locale.sentences import translated

_FOLDER = Path(next(iter(crawler.__path__)))
_FILES = ("parse/reader.py", "answer.py", "recovery.py")
_MAKERS = ("_unread", "DamagedResponse", "OversizedResponse")


def read() -> Iterator[str]:
    """The reasons of some answers that are no posts."""
    page_mid = b"<html><script>window.PAGE_MID='pages/other.html'</script><p>x</p></html>"
    for body in (b" ", b"[]", b"<html></html>", page_mid, b"<html>" + b"<b>" * (MAX_TAGS + 1)):
        yield read_page(body).reason


def reasons() -> list[str]:
    """Those, and all that the code may give."""
    return [*read(), *texts(map(_FOLDER.joinpath, _FILES), _told)]


def _told(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Call(func=ast.Name(name), args=[words, *_]) if name in _MAKERS:
            yield words
        case ast.Call(func=ast.Name("Reading"), args=[_, words]):
            yield words
        case ast.Call(func=ast.Name("Reading"), args=[_], keywords=[ast.keyword("reason", words), *_]):
            yield words
        case ast.Assign(targets=[ast.Name("reason")], value=ast.BoolOp(values=[*_, words]) | words):
            yield words
        case ast.keyword("reason", ast.IfExp(orelse=words)):
            yield words


def test_whatever_is_said_of_an_answer_is_said_in_chinese() -> None:
    told = reasons()
    assert len(told) > 20
    assert [one for one in told if translated(one) is None] == []


def test_an_error_is_told_by_its_name_and_in_chinese() -> None:
    told = translated("no_answer (DamagedResponse: gzip ends in the middle)")
    assert told == "无应答（DamagedResponse：gzip 数据不完整）"
    assert translated("unknown (HTTP 503, Retry-After: 5)") == "未知（HTTP 503, Retry-After: 5）"

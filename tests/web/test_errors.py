"""What is answered when a request fails: to programs as problems, to people as pages."""

from typing import Any

import pytest
from sqlalchemy import Engine, text

from archive.db.engine import transaction
from tests.archive.making import BIZ
from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import POST, get, words
from tests.web.seeding import EDITED
from tests.web.served import served
from web.errors import MAX_PARAMETER_MESSAGES, parameter_message


def test_a_page_says_in_the_readers_language_why_it_is_not_shown(site: SeededSite) -> None:
    for path, why in {
        f"{POST}/99999_1": f"存档中没有 {BIZ} 的文章 99999_1",
        f"{POST}/{EDITED}/history?before=1&after=9": "此文有 2 个版本，没有第 9 版",
        f"/files/{'0' * 64}": f"存档中没有文件 {'0' * 64}",
        "/?since=yesterday&kind=letter": "；since：请按 YYYY-MM-DD 给出日期",
        "/?since=1731283200": "since：请按 YYYY-MM-DD 给出日期",
        "/accounts/..": "biz：格式应为 ^[A-Za-z0-9+/=_-]{1,64}$",
        "/captures/9223372036854775808": "number：必须小于 9223372036854775808",
        "/captures/x": "number：请给出整数",
    }.items():
        answer = get(site, f"{path}{'&' if '?' in path else '?'}lang=zh")
        assert answer.status in (400, 404)
        assert why in words(answer)
        assert answer.body.decode().count(' lang="en"') == 1, "the link to English"


def test_a_problem_has_the_code_and_parameters_of_its_sentence(site: SeededSite) -> None:
    problem = get(site, f"/api/v1{POST}/99999_1").json
    assert problem["detail"] == f"there is no post 99999_1 of {BIZ} in the archive"
    assert (problem["code"], problem["params"]) == ("web.missing.post", {"aid": "99999_1", "biz": BIZ})
    assert get(site, "/api/v1/nothing").json["code"] == "web.request.not_found"


@pytest.mark.parametrize(
    ("kind", "context", "sentence"),
    [
        ("missing", {}, "limit: this parameter is missing"),
        ("int_parsing", {}, "limit: give a whole number"),
        (
            "date_from_datetime_parsing",
            {},
            "limit: give a day as YYYY-MM-DD (also 2025-11, 2025, 2025-W45)",
        ),
        ("greater_than_equal", {"ge": 1}, "limit: give 1 or more"),
        ("less_than_equal", {"le": 100}, "limit: give 100 or less"),
        ("string_too_long", {"max_length": 7}, "limit: give at most 7 characters"),
        ("enum", {"expected": "'a' or 'b'"}, "limit: give one of 'a' or 'b'"),
        ("something_else", {}, "limit: in pydantic's words"),
    ],
)
def test_a_parameter_error_says_what_to_give(kind: str, context: dict[str, Any], sentence: str) -> None:
    error = {"loc": ("query", "limit"), "type": kind, "msg": "in pydantic's words", "ctx": context}
    assert str(parameter_message(error)) == sentence


def test_only_some_of_many_parameter_errors_are_listed(site: SeededSite) -> None:
    query = "&".join(f"{name}=%00" for name in ("kind", "since", "until", "limit"))
    detail = get(site, f"/api/v1/posts?{query}").json["detail"]
    assert detail.count("; ") == MAX_PARAMETER_MESSAGES - 1


def test_programs_get_problem_documents_and_people_get_pages(site: SeededSite) -> None:
    assert get(site, "/api/v1/nothing").headers["Content-Type"] == "application/problem+json"
    assert site.web.ask("POST", "/health").status == 405
    assert get(site, "/nothing").headers["Content-Type"].startswith("text/html")


def test_a_database_that_does_not_answer_is_reported_as_a_page(engine: Engine) -> None:
    with served(engine) as client:
        with transaction(engine) as session:
            session.execute(text("ALTER TABLE posts RENAME TO elsewhere"))
        answer = client.ask("GET", "/?lang=zh")
        assert answer.status == 503
        assert answer.headers["Retry-After"]
        assert "存档暂时无法响应" in words(answer)
        assert "SELECT" not in words(answer)

"""The API: its answers, and that no request breaks it."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import FIELDS
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.post_queries import CursorError, PostPosition, position_of
from tests.archive.making import BIZ, NOW, article, capture, image, link, record
from tests.web.served import Served, served

MANY = 45  # posts
POST = f"/api/v1/posts/{BIZ}"


@pytest.fixture(scope="module")
def web(module_engine: Engine) -> Iterator[Served]:
    """One archive for all: 45 posts of a dump, the first of them edited once, and now away."""
    with transaction(module_engine) as session:
        import_records(session, None, [record(number) for number in range(1, MANY + 1)], "dump", NOW)
        sighting = SightingData(parse_address(record(1).url), "list", NOW)
        (sighted,) = record_sightings(session, None, [sighting], NOW)
        pages = [
            article(record(1), html="<p>一</p>", media=(image("a"),), links=(link(2),)),
            article(record(1, text="第一段\r第二段改\r")),
            ParsedPage(Outcome.DELETED, reason="该内容已被发布者删除"),
        ]
        for hours, page in enumerate(pages):
            body = f"<html>{hours}".encode()
            kept = store_captures(session, None, [(sighted.address_id, capture(body, minutes=60 * hours))])
            store_parse_results(session, None, [(kept[0], page)], NOW + timedelta(hours=hours), 2)
    with served(module_engine) as client:
        yield client


@pytest.mark.slow
def test_pages_of_posts_follow_each_other_to_the_end(web: Served) -> None:
    seen, after = [], ""
    while after is not None:
        page = web.ask("GET", f"/api/v1/posts?limit=20&after={after}" if after else "/api/v1/posts").json
        seen += [post["aid"] for post in page["posts"]]
        after = page["next"]
    assert seen == [f"{1000 + number}_1" for number in range(MANY, 0, -1)]


def test_a_new_post_does_not_shift_later_pages(web: Served, module_engine: Engine) -> None:
    cursor = web.ask("GET", "/api/v1/posts?limit=2").json["next"]
    before = web.ask("GET", f"/api/v1/posts?limit=3&after={cursor}").json["posts"]
    with module_engine.connect() as connection, connection.begin() as doing:
        connection.execute(text("UPDATE posts SET mid = 9999 WHERE aid = '1045_1'"))
        assert web.ask("GET", f"/api/v1/posts?limit=3&after={cursor}").json["posts"] == before
        doing.rollback()


def test_filters_select_posts(web: Served) -> None:
    def count(query: str) -> int:
        return len(web.ask("GET", f"/api/v1/posts?limit=100&{query}").json["posts"])

    assert count("account=" + quote("示例账号")) == count(f"account={quote(BIZ)}") == MANY
    assert count("account=nobody") == 0
    assert count("kind=article") == 1
    assert count("since=2026-03-01&until=2026-03-01") == MANY
    assert count("since=2026-03-02") == count("until=2026-02-28") == 0


def test_changes_are_listed_page_by_page(web: Served) -> None:
    seen, path = [], "/api/v1/changes?limit=20"
    while path:
        page = web.ask("GET", path).json
        seen += [(change["aid"], change["kind"]) for change in page["changes"]]
        path = f"/api/v1/changes?limit=20&after={page['next']}" if page["next"] else ""
    assert seen[:2] == [("1001_1", "removed"), ("1001_1", "edited")]
    assert len(seen) == len(set(seen)) == MANY + 2
    removed, edited = web.ask("GET", "/api/v1/changes?kind=removed&kind=edited").json["changes"]
    assert (removed["outcome"], removed["reason"]) == ("deleted", "该内容已被发布者删除")
    assert (edited["previous_version"], edited["version"]) == (1, 2)
    assert web.ask("GET", "/api/v1/changes?since=2026-03-03").json == {"changes": [], "next": None}
    assert web.ask("GET", "/api/v1/changes?kind=burnt").status == 422
    assert web.ask("GET", "/api/v1/changes?after=x").status == 400


def test_posts_and_hits_are_selected_by_how_they_changed(web: Served) -> None:
    for mark, number in (("edited", 1), ("removed", 1), ("restored", 0), ("any", 1)):
        assert len(web.ask("GET", f"/api/v1/posts?changed={mark}").json["posts"]) == number
        found = web.ask("GET", f"/api/v1/search?q={quote('第一段')}&changed={mark}").json["hits"]
        assert len(found) == number


def test_posts_are_also_listed_in_the_form_of_the_dump(web: Served) -> None:
    answer = web.ask("GET", "/api/v1/posts?representation=dump&limit=2")
    assert [list(one) for one in answer.json] == [list(FIELDS)] * 2
    assert answer.json[0] == record(MANY).as_dict()
    following = answer.headers["Link"].partition(">")[0].strip("<")
    assert web.ask("GET", following).json[0] == record(MANY - 2).as_dict()
    assert web.ask("GET", f"{POST}/1002_1/record").json == record(2).as_dict()


def test_a_post_has_its_versions_absences_and_captures(web: Served) -> None:
    post = web.ask("GET", f"{POST}/1001_1").json
    assert post["text"] == "第一段\r第二段改\r"
    assert [version["number"] for version in post["versions"]] == [1, 2]
    assert [one["outcome"] for one in post["absences"]] == ["deleted"]
    assert [one["outcome"] for one in post["captures"]] == ["deleted", "article", "article"]
    assert web.ask("GET", f"{POST}/1001_1/versions/1").json["text"] == record(1).text
    changed = web.ask("GET", f"{POST}/1001_1/difference?before=1&after=2").json["text"]
    assert [piece for piece in changed if piece["kind"] != "same"] == [{"kind": "added", "text": "改"}]


def test_a_capture_body_is_exact_and_cached(web: Served) -> None:
    number = web.ask("GET", f"{POST}/1001_1").json["captures"][-1]["id"]
    answer = web.ask("GET", f"/api/v1/captures/{number}/body")
    assert answer.body == b"<html>0"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    tag = answer.headers["ETag"]
    assert tag == f'"{web.ask("GET", f"/api/v1/captures/{number}").json["sha256"]}"'
    assert web.ask("GET", f"/api/v1/captures/{number}/body", If_None_Match=tag).status == 304


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/posts/absent==/1001_1", 404),
        (f"{POST}/1001_9", 404),
        (f"{POST}/1001", 422),
        (f"{POST}/1001_1/versions/3", 404),
        (f"{POST}/1001_1/versions/99999999999999999999", 422),
        (f"{POST}/1001_1/difference?before=1", 422),
        ("/api/v1/captures/999999", 404),
        ("/api/v1/posts?limit=101", 422),
        ("/api/v1/posts?limit=0", 422),
        ("/api/v1/posts?since=yesterday", 422),
        ("/api/v1/posts?after=tampered", 400),
        ("/api/v1/posts?account=%00%ff", 200),
        ("/api/v1/nothing", 404),
    ],
)
def test_errors_are_problem_documents(path: str, status: int, web: Served) -> None:
    answer = web.ask("GET", path)
    assert answer.status == status
    if status != 200:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["status"] == status
        assert answer.json["detail"]


def test_the_api_is_read_only(web: Served) -> None:
    described = web.ask("GET", "/openapi.json").json["paths"]
    assert {
        method for path, methods in described.items() if path.startswith("/api") for method in methods
    } == {"get"}
    assert {web.ask(method, "/api/v1/posts").status for method in ("POST", "PUT", "DELETE", "PATCH")} == {405}


def test_search_returns_posts_with_excerpts(web: Served) -> None:
    found = web.ask("GET", f"/api/v1/search?q={quote('第二段改')}").json
    (hit,) = found["hits"]
    assert (hit["aid"], found["next"]) == ("1001_1", None)
    assert "第二段改" in [piece["text"] for piece in hit["excerpt"] if piece["found"]]
    assert len(web.ask("GET", f"/api/v1/search?limit=100&q={quote('第一段')}").json["hits"]) == MANY
    assert web.ask("GET", "/api/v1/search?q=-only").status == 400
    assert web.ask("GET", "/api/v1/search?q=%00%ff%22").status in (200, 400)
    assert web.ask("GET", f"/api/v1/search?q={quote('段')}&after=x").status == 400


def test_status_accounts_and_incidents(web: Served) -> None:
    status = web.ask("GET", "/api/v1/status").json
    assert (status["posts"], status["captures"], status["incidents"]) == (MANY, 3, [])
    (account,) = web.ask("GET", "/api/v1/accounts").json["accounts"]
    assert (account["posts"], account["with_page"]) == (MANY, 1)
    assert web.ask("GET", "/api/v1/incidents").json == []


@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.text(max_size=80) | st.binary(max_size=60).map(quote))
def test_any_cursor_is_a_position_or_refused(cursor: str) -> None:
    try:
        place = position_of(cursor)
    except CursorError:
        return
    assert position_of(place.cursor()) == place


@given(
    st.builds(
        PostPosition,
        st.dates(),
        st.integers(0, 2**31 - 1),
        st.integers(0, 2**63 - 1),
        st.integers(0, 99),
        st.text(max_size=64),
    )
)
def test_a_position_survives_its_cursor(place: PostPosition) -> None:
    assert position_of(place.cursor()) == place


def test_damage_is_reported_without_a_traceback(web: Served, module_engine: Engine) -> None:
    number = web.ask("GET", f"{POST}/1001_1").json["captures"][0]["id"]
    with module_engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text(
                "UPDATE bodies SET data = '\\x00' WHERE sha256 = (SELECT sha256 FROM captures WHERE id = :id)"
            ),
            {"id": number},
        )
    answer = web.ask("GET", f"/api/v1/captures/{number}/body")
    assert answer.status == 500
    assert f"capture {number}" in answer.json["detail"]

"""What all pages share: language, headers, caching, and the words of messages."""

import re
from collections.abc import Iterable
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from archive.audit.gap import GapKind
from archive.domain.messages import Message
from archive.domain.outcomes import NO_ANSWER, NOT_RENDERED, Kind, MediumType, Outcome, Relation, RunStatus
from archive.domain.update_decisions import StoreResult
from archive.ingest.reparse import ReparseResult
from archive.integrity.checks import CHECK_NAMES
from archive.system.catalogues import Language, template
from crawler.discovery.source import State
from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import PAGES, RICH, get
from tests.web.served import served
from web.pages.render import SCRIPT_PATH, PageContext, chosen_language, format_size

_OUTSIDE = re.compile(r'(?:src|srcset|data|action|poster|background)="(?:https?:)?//')


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_page_has_its_security_headers_and_one_language(site: SeededSite, lang: str) -> None:
    for path in PAGES:
        answer = get(site, f"{path}{'&' if '?' in path else '?'}lang={lang}")
        assert answer.status == (404 if "no-such" in path else 200), path
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self';"), path
        assert "frame-ancestors 'none'" in policy
        assert policy.endswith("; script-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in answer.headers
        page = answer.body.decode()
        assert f'<html lang="{"zh-Hans" if lang == "zh" else "en"}">' in page
        scripts = re.findall(r"<script[^>]*>", page.replace('<script type="application/ld+json">', ""))
        assert scripts == [f'<script src="{SCRIPT_PATH}" defer>']  # the other is data
        assert " style=" not in page
        assert not _OUTSIDE.search(page), path
        assert ("跳到正文" in page) is (lang == "zh")


def test_links_keep_the_language_that_the_address_names(site: SeededSite) -> None:
    chinese = get(site, "/", Accept_Language="de, zh-CN;q=0.8, en;q=0.3").body.decode()
    assert 'lang="zh-Hans"' in chinese
    assert 'href="/health"' in chinese
    english = get(site, "/?lang=en", Accept_Language="zh-CN").body.decode()
    assert '<html lang="en">' in english
    assert 'href="/health?lang=en"' in english
    assert get(site, "/", Accept_Language="x;q=é, ;;q=,*").status == 200


def test_an_unchanged_page_is_answered_with_304_and_head_has_no_body(site: SeededSite) -> None:
    answer = get(site, RICH)
    again = get(site, RICH, If_None_Match=answer.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert get(site, f"{RICH}?lang=zh", If_None_Match=answer.headers["ETag"]).status == 200
    head = site.web.ask("HEAD", RICH)
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", answer.headers["ETag"])
    style = re.findall(r'href="(/static/[^"]+)"', answer.body.decode())[0]
    assert get(site, style).headers["Content-Type"].startswith("text/css")
    assert get(site, "/favicon.ico").status == 200


_ANYTHING = st.binary(max_size=40).map(quote) | st.text(max_size=20).map(quote)
_NAMES = st.sampled_from(
    ["q", "lang", "account", "kind", "since", "until", "after", "order", "year", "before", "self", "status"]
)


@pytest.mark.slow
@given(path=st.sampled_from(PAGES), given=st.dictionaries(_NAMES, _ANYTHING, max_size=4))
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_any_query_is_answered_with_a_page_or_refused(
    site: SeededSite, path: str, given: dict[str, str]
) -> None:
    query = "&".join(f"{name}={value}" for name, value in given.items())
    assert get(site, f"{path}{'&' if '?' in path else '?'}{query}").status in (200, 400, 404)


@pytest.mark.parametrize(
    ("parameter", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "zh-TW,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en-GB, zh;q=0.9", "en"),
        (None, "fr, zh;q=0.2, en;q=0.1", "zh"),
        (None, "zh;q=0, en;q=0.1", "en"),
        (None, "zh;q=nan, en;q=2, *", "en"),
        (None, "," * 5000, "en"),
        ("zh", "en", "zh"),
        ("en", "zh", "en"),
        ("ZH<script>", "zh", "zh"),
    ],
)
def test_the_address_chooses_the_language_then_the_browser(
    parameter: str | None, accepted: str, language: str
) -> None:
    assert chosen_language(parameter, accepted) == language


def context(language: Language) -> PageContext:
    return PageContext("/", {}, language, None)


def test_text_in_another_language_is_marked_and_messages_and_values_are_not() -> None:
    english, chinese = context("en"), context("zh")
    code = Message("web.request.busy")
    assert chinese.message(code) == chinese.message(code.dump()) == code.text("zh")
    assert chinese.message("freq control <b>") == '<span lang="en">freq control &lt;b&gt;</span>'
    assert english.message("freq control") == "freq control"
    assert english.message("该内容已被发布者删除") == '<span lang="zh-Hans">该内容已被发布者删除</span>'
    for value in ("1043_1", "https://example.com/a", "2026-03-02", ""):
        assert chinese.message(value) == value


@pytest.mark.parametrize(
    "params",
    [
        "",
        " []",
        " null",
        " 5",
        " {",
        ' {"most": 1}',
        ' {"most": {}, "wait": 1}',
        ' {"most": {"at": "x"}, "wait": 1}',
    ],
)
def test_text_that_only_looks_like_a_message_is_shown_as_it_is(params: str) -> None:
    stored = f"web.request.too_many{params}"
    assert context("en").message(stored) == stored


def test_stored_values_have_names_and_unknown_ones_are_shown_as_they_are() -> None:
    assert context("zh").name_of("archive.outcome.", "deleted") == "作者已删除"
    assert context("en").name_of("archive.command.", "scrapy crawl posts") == "scrapy crawl posts"
    assert context("zh").name_of("archive.verdict.", "a verdict of later") == "a verdict of later"


@pytest.mark.parametrize(
    ("prefix", "values"),
    [
        ("archive.kind.", Kind),
        ("archive.outcome.", (*Outcome, NO_ANSWER, NOT_RENDERED, "unread")),
        ("archive.relation.", Relation),
        ("archive.medium_type.", MediumType),
        ("archive.gap_kind.", GapKind),
        ("archive.check.", CHECK_NAMES),
        ("archive.source_state.", State),
        ("archive.verdict.", RunStatus),
        ("archive.count.", StoreResult),
        ("archive.count.", ReparseResult),
    ],
)
def test_each_value_that_the_program_stores_has_a_name(prefix: str, values: Iterable[str]) -> None:
    assert [value for value in values if template(f"{prefix}{value}", "zh") is None] == []


def test_counts_of_a_run_are_named_nested_in_brackets_and_without_zeros() -> None:
    counts = {"fetched": 20, "failed": 0, "outcomes": {"deleted": 2}, "of_later": 1}
    assert context("en").counts(counts) == "fetched 20, outcomes (deleted by its author 2), of_later 1"
    assert context("zh").counts(counts) == "成功 20，结果（作者已删除 2），of_later 1"


def test_a_parameter_that_looks_like_a_field_is_not_one() -> None:
    assert context("en").text("web.calendar.title", name="{0.__class__}") == "Calendar: {0.__class__}"


@pytest.mark.parametrize(
    ("count", "size"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_000_000, "2.0 MB"), (1e16, "10000.0 TB")],
)
def test_sizes_are_in_decimal_units(count: float, size: str) -> None:
    assert format_size(count) == size


@pytest.mark.parametrize("path", ["//evil.test/x", "///evil.test", "//evil.test", "/%2F/evil.test"])
def test_no_link_leads_to_another_host(engine: Engine, path: str) -> None:
    assert not PageContext(path, {}, "en", None).here(lang="zh").startswith("//")
    with served(engine) as web:
        assert b'href="//' not in web.ask("GET", path, Accept="text/html").body

"""A problem has a remedy, and an account that nothing watches names the source to switch on."""

import pytest

from archive.domain.messages import Message
from archive.domain.monitoring import (
    VERBATIM,
    HealthProblem,
    IncidentKind,
    IncidentSubject,
    SourceName,
    SourceType,
    remedy_for,
    unwatched,
    with_remedy,
)


def test_the_remedy_of_a_problem_has_its_parameters() -> None:
    problem = Message("scheduler.health.disk", {"folder": "/data", "megabytes": 5})
    assert HealthProblem(IncidentSubject(IncidentKind.DISK, name="/data"), problem).remedy == remedy_for(
        problem
    )
    assert remedy_for(problem).text("en") != "scheduler.health.disk.remedy"
    assert remedy_for(problem).params == problem.params


def test_a_problem_of_an_earlier_version_keeps_its_own_remedy() -> None:
    old = Message(VERBATIM, {"text": "it was full", "remedy": "free some space"})
    assert str(remedy_for(old)) == "free some space"


def test_an_account_without_albums_has_a_remedy_of_its_own() -> None:
    assert "合成" in str(unwatched("合成"))
    assert unwatched("合成").code != unwatched("合成", ["123"]).code


def test_the_albums_of_posts_are_written_as_the_setting_has_them() -> None:
    found = with_remedy(unwatched("合成", ["123", "45"]))
    assert 'albums = ["123", "45"]' in found.text("en")
    assert 'albums = ["123", "45"]' in found.text("zh")


@pytest.mark.parametrize(
    ("name", "type_", "external_id"),
    [
        ("album:123", SourceType.ALBUM, "123"),
        ("feed:rss.example/a:b", SourceType.FEED, "rss.example/a:b"),
        ("own_backend", SourceType.OWN_BACKEND, None),
    ],
)
def test_the_name_of_a_source_is_taken_apart_and_joined_again(
    name: str, type_: SourceType, external_id: str | None
) -> None:
    assert SourceName.parse(name) == SourceName(type_, external_id)
    assert str(SourceName(type_, external_id)) == name


def test_a_source_of_no_type_is_refused() -> None:
    with pytest.raises(ValueError, match="pigeon"):
        SourceName.parse("pigeon:1")

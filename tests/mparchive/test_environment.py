"""The names of variables: each has a meaning in both languages, unknown ones come with the nearest."""

import pytest

from archive.domain.errors import MessageError
from mparchive.environment import VARIABLES, check_variables, meaning, shown_value, unknown_variables


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_has_a_meaning_in_both_languages(name: str) -> None:
    english, chinese = meaning(name).text("en"), meaning(name).text("zh")
    assert english != meaning(name).code and english != chinese


def test_an_unknown_variable_is_named_with_the_nearest_known_one() -> None:
    environment = {
        "MPARCHIVE_HOEM": "/srv",
        "MPARCHIVE_0123456789012345678901234567": "1",
        "MPARCHIVE_ZZZ": "like the others only in how it begins",
        "MPARCHIVE_HOME": "/srv",
        "PATH": "/bin",
    }
    assert unknown_variables(environment) == {
        "MPARCHIVE_HOEM": "MPARCHIVE_HOME",
        "MPARCHIVE_0123456789012345678901234567": "",
        "MPARCHIVE_ZZZ": "",
    }


def test_a_variable_that_the_configuration_names_is_known() -> None:
    assert unknown_variables({"MPARCHIVE_COOKIE": "x"}, named=["MPARCHIVE_COOKIE"]) == {}


def test_passwords_and_tokens_are_hidden() -> None:
    environment = {"MPARCHIVE_DATABASE_URL": "postgresql://a:secret@b/c", "MPARCHIVE_EGRESS": "office"}
    assert shown_value("MPARCHIVE_DATABASE_URL", environment) == "***"
    assert shown_value("MPARCHIVE_EGRESS", environment) == "office"
    assert shown_value("MPARCHIVE_READING_TOKEN", environment) == ""


@pytest.mark.parametrize("value", ["", "en", "zh", "zh_CN.UTF-8", "EN-gb"])
def test_a_language_may_be_written_as_a_locale(value: str) -> None:
    check_variables({"MPARCHIVE_LANG": value})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MPARCHIVE_LANG", "xx", "MPARCHIVE_LANG is “xx”; one of en, zh is expected"),
        ("MPARCHIVE_LANG", "english", "one of en, zh is expected"),
        ("MPARCHIVE_LANG", "0", "one of en, zh is expected"),
        ("MPARCHIVE_MEDIA", "foo://user:secret@bar/x", "is foo://bar/x, but no storage has the scheme foo"),
        ("MPARCHIVE_MEDIA", "simplecache::foo://bar", "no storage has the scheme foo"),
        ("MPARCHIVE_MEDIA", "://bar", "no storage has the scheme"),
    ],
)
def test_a_value_that_no_command_can_use_is_refused(name: str, value: str, words: str) -> None:
    with pytest.raises(MessageError) as raised:
        check_variables({name: value})
    assert words in str(raised.value)
    assert "secret" not in str(raised.value)

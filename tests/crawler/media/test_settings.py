"""Settings of media downloads come from the environment, and wrong ones are all named."""

import pytest

from archive.domain.outcomes import MediumType
from crawler.media.settings import (
    MAX_IMAGE_BYTES,
    MAX_STYLE_BYTES,
    MEGABYTE,
    MediaSettings,
    SettingError,
    max_bytes,
    types_in,
)


def test_types_are_read_in_their_order_whatever_the_spelling() -> None:
    assert types_in(" Video, image,") == (MediumType.IMAGE, MediumType.VIDEO)
    assert types_in("") == ()


def test_a_word_that_is_no_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPARCHIVE_MEDIA_TYPES", "image,film")
    with pytest.raises(SettingError, match=r"MPARCHIVE_MEDIA_TYPES is 'image,film': 'film' is none of image"):
        MediaSettings.read()


def test_all_wrong_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPARCHIVE_MEDIA_DELAY", "-1")
    monkeypatch.setenv("MPARCHIVE_MAX_VIDEO_MB", "many")
    with pytest.raises(SettingError) as wrong:
        MediaSettings.read()
    assert wrong.value.message.code == "crawler.settings.invalid"
    for text in (str(wrong.value), wrong.value.message.text("zh")):
        assert "MPARCHIVE_MEDIA_DELAY" in text
        assert "MPARCHIVE_MAX_VIDEO_MB" in text


def test_only_the_bound_of_videos_can_be_changed() -> None:
    assert max_bytes("video", 7) == 7 * MEGABYTE
    assert max_bytes("image", 7) == MAX_IMAGE_BYTES
    assert max_bytes("style", 7) == MAX_STYLE_BYTES < MAX_IMAGE_BYTES

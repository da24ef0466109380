"""Videos and audios of a post, from the page's state and from the players in its body."""

import pytest

from archive.domain.outcomes import Role
from crawler.parse.elements import find_elements
from crawler.parse.media import Player, find_players, players_by_name
from crawler.parse.script_state import PageState

VID = "wxv_1234567890123456789"


def players(body: str = "", script: str = "") -> list[Player]:
    return list(find_players(PageState([script.encode()] if script else []), find_elements(body).elements))


def test_a_frame_of_wechats_is_a_video_by_its_own_id() -> None:
    (player,) = players(f'<iframe class="video_iframe" data-mpvid="{VID}"></iframe>')
    assert (player.role, player.id) == (Role.VIDEO, VID)


def test_an_audio_of_the_body_is_an_audio_by_its_file() -> None:
    (player,) = players(
        '<mpvoice voice_encode_fileid="MzAx_1" name="合成音频" play_length="61000"></mpvoice>'
    )
    assert (player.role, player.id) == (Role.AUDIO, "MzAx_1")


def test_the_same_player_twice_is_one() -> None:
    assert len(players(f'<iframe data-mpvid="{VID}"></iframe>' * 2)) == 1


@pytest.mark.parametrize("body", ["", "<iframe></iframe>", "<mpvoice></mpvoice>"])
def test_a_player_without_an_id_is_none(body: str) -> None:
    assert players(body) == []


def test_players_are_listed_by_name_for_the_facts() -> None:
    found = players(f'<iframe data-mpvid="{VID}"></iframe>')
    (values,) = players_by_name(found).values()
    assert values[0]["id"] == VID

import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from crawler.discovery.config import SecretMissing
from crawler.discovery.weread_login import (
    FIRST_REST,
    LONGEST_REST,
    MAX_RESERVED,
    PAUSE,
    LoginRecord,
    ProfileBusy,
    WeReadLogin,
)
from crawler.redaction import scrub_log
from tests.crawler.discovery.driving import NOW

HOUR = timedelta(hours=1)
SKEY = "synthetic-skey-71b0"


def test_a_login_is_stored_for_its_owner_alone(tmp_path: Path) -> None:
    login = WeReadLogin(tmp_path)
    old = os.umask(0)
    try:
        login.prepare()
        login.signed_in({"wr_skey": SKEY, "wr_gone": ""})
    finally:
        os.umask(old)
    assert login.cookies() == {"wr_skey": SKEY}
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in login.folder.rglob("*")}
    assert set(modes.values()) == {0o600, 0o700}
    assert stat.S_IMODE(login.folder.stat().st_mode) == 0o700
    assert SKEY not in scrub_log(f"a line with {SKEY}")


def test_an_open_profile_folder_is_closed_to_others(tmp_path: Path) -> None:
    login = WeReadLogin(tmp_path)
    login.profile.mkdir(parents=True, mode=0o755)
    login.prepare()
    assert stat.S_IMODE(login.profile.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"a": 1', b"\xff"])
def test_cookies_that_cannot_be_read_are_said(tmp_path: Path, content: bytes) -> None:
    login = WeReadLogin(tmp_path)
    login.prepare()
    login.cookies_file.touch(0o600)
    login.cookies_file.write_bytes(content)
    with pytest.raises(SecretMissing):
        login.cookies()


def test_without_a_login_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing) as missing:
        WeReadLogin(tmp_path).cookies()
    assert missing.value.message.code == "crawler.weread.not_signed_in"


def test_a_record_survives_and_a_damaged_one_counts_as_none(tmp_path: Path) -> None:
    login = WeReadLogin(tmp_path)
    login.prepare()
    record = LoginRecord().used(NOW).answered("cover", NOW, all_tried=True)
    login.save(record)
    assert login.record() == record
    assert record.problem == "newest_only"
    for damaged in (b"[]", b'{"looks": 5}', b'{"rest_until": "soon"}', b"no"):
        (login.folder / "record.json").write_bytes(damaged)
        assert login.record() == LoginRecord()


def test_looks_are_counted_within_a_day() -> None:
    record = LoginRecord()
    for hour in range(12):
        record = record.used(NOW + hour * HOUR)
    last = NOW + 11 * HOUR
    assert record.free_at(last, 12) == NOW + 24 * HOUR
    assert record.free_at(last, 13) == last
    assert record.free_at(NOW + 24 * HOUR, 12) == NOW + 24 * HOUR
    assert record.looks_within_a_day(NOW + 26 * HOUR) == 9
    assert len(record.used(NOW + 40 * HOUR).looks) == 1, "older looks are forgotten"


def test_a_refused_login_rests_longer_each_time_up_to_a_day() -> None:
    record, rests = LoginRecord(), []
    for _ in range(6):
        record = record.refused("captcha", NOW)
        assert record.rest_until
        rests.append(record.rest_until - NOW)
    assert rests[:3] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST]
    assert rests[-1] == LONGEST_REST
    answered = record.answered("list", NOW, all_tried=False)
    assert (answered.rest_until, answered.refusals, answered.problem) == (None, 0, "")
    assert answered.refused("captcha", NOW).rest_until == NOW + FIRST_REST


def test_calls_lie_apart_whoever_makes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = LoginRecord(last_call_at=NOW)
    assert record.next_call_at(NOW + timedelta(seconds=3)) == NOW + PAUSE
    assert record.next_call_at(NOW + HOUR) == NOW + HOUR
    assert record.next_call_at(NOW - HOUR) == NOW - HOUR + MAX_RESERVED, "a clock that was set back"
    assert LoginRecord().next_call_at(NOW) == NOW
    monkeypatch.setattr("archive.system.clock.now", lambda: NOW)
    login = WeReadLogin(tmp_path)
    login.prepare()
    assert [login.reserve_call(), WeReadLogin(tmp_path).reserve_call(), login.reserve_call()] == [0, 10, 20]


def test_a_refusal_of_another_process_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archive.system.clock.now", lambda: NOW)
    login = WeReadLogin(tmp_path)
    login.prepare()
    mine, others = login.begin_look(), login.begin_look()
    login.finish_look(others.refused("captcha", NOW))
    login.finish_look(mine.answered("list", NOW, all_tried=True))
    assert (login.record().problem, login.record().looks) == ("captcha", (NOW, NOW))


def test_a_new_session_ends_the_rest_but_not_the_budget(tmp_path: Path) -> None:
    login = WeReadLogin(tmp_path, looks_a_day=1)
    login.prepare()
    login.save(LoginRecord().used(NOW).expired(NOW))
    assert login.record().problem == "login_expired"
    login.signed_in({"wr_skey": SKEY})
    assert login.record().problem == ""
    reason = login.unavailable(NOW + HOUR)
    assert reason
    assert reason.code == "crawler.weread.looks_used_up"


def test_a_profile_is_held_by_one_process(tmp_path: Path) -> None:
    login = WeReadLogin(tmp_path)
    login.prepare()
    program = (
        "import sys; from pathlib import Path; from crawler.discovery.weread_login import WeReadLogin\n"
        "with WeReadLogin(Path(sys.argv[1])).hold_profile():\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(ProfileBusy, match="another process uses the browser profile"),
            login.hold_profile(),
        ):
            pass
        assert other.stdin
        other.stdin.close()
    with login.hold_profile():
        pass


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "weread").write_text("a file where the folder should be")
    login = WeReadLogin(tmp_path)
    assert login.record() == LoginRecord()
    with pytest.raises(SecretMissing):
        login.cookies()


def test_a_folder_of_somebody_else_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(SecretMissing):
        WeReadLogin(tmp_path).cookies()

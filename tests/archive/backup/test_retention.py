"""Retention keeps the newest backup of each day, week and month, and removes what only others needed."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.backup.backup_file import BackupDamaged, BackupError
from archive.backup.incremental import write_incremental
from archive.backup.lease import Lease
from archive.backup.object_store import ObjectStore
from archive.backup.place import (
    backup_names,
    claim,
    made_at,
    manifest_object,
    open_incremental,
    read_manifest,
)
from archive.backup.retention import MAX_COUNT, Removed, Retention, prune
from archive.domain.records import SHANGHAI
from tests.archive.backup.places import Place

instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001 - UTC, made a name below
names = st.lists(instants, unique=True, max_size=60).map(
    lambda found: sorted({f"{one:%Y%m%dT%H%M%SZ}" for one in found})
)
counts = st.dictionaries(st.sampled_from("dwm"), st.integers(1, 12), min_size=1)


def beijing(name: str) -> date:
    return made_at(name).astimezone(SHANGHAI).date()


def parsed(wanted: dict[str, int]) -> Retention:
    return Retention.parse(",".join(f"{count}{unit}" for unit, count in wanted.items()))


@given(names, counts)
def test_the_newest_backup_of_each_of_the_last_periods_is_kept_and_no_other(
    found: list[str], wanted: dict[str, int]
) -> None:
    expected = set(found[-1:])
    for unit, count in wanted.items():
        of_period: dict[object, str] = {}
        for name in found:  # the last of a period wins
            day = beijing(name)
            monday = day - timedelta(days=day.weekday())
            of_period[{"d": day, "w": monday, "m": day.replace(day=1)}[unit]] = name
        expected |= {of_period[period] for period in sorted(of_period)[-count:]}  # type: ignore[type-var]
    assert parsed(wanted).kept(found) == expected


@given(names, counts)
def test_the_newest_is_kept_and_keeping_twice_changes_nothing(
    found: list[str], wanted: dict[str, int]
) -> None:
    kept = parsed(wanted).kept(found)
    assert kept >= set(found[-1:])
    assert len(kept) <= sum(wanted.values()) + 1
    assert parsed(wanted).kept(kept) == kept


@pytest.mark.slow
@given(names, counts, st.sampled_from("dwm"))
def test_whoever_keeps_more_removes_nothing_more(found: list[str], wanted: dict[str, int], unit: str) -> None:
    more = {**wanted, unit: wanted.get(unit, 0) + 1}
    assert parsed(wanted).kept(found) <= parsed(more).kept(found)


def test_a_day_is_one_of_beijing() -> None:
    late, early = "20260301T155959Z", "20260301T160000Z"  # one second before and at midnight there
    assert parsed({"d": 2}).kept([late, early]) == {late, early}
    assert parsed({"m": 2}).kept([late, early, "20260331T155959Z"]) == {"20260331T155959Z"}


@pytest.mark.parametrize(
    "text",
    ["", "7", "d", "0d", "-1d", "7x", "7d,", "7d 4w", "7d,7d", "7.5d", "7D", "９d", f"{MAX_COUNT + 1}d"],
)
def test_a_retention_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(BackupError, match="write it as 7d,4w,12m"):
        Retention.parse(text)


def test_a_retention_is_written_with_commas() -> None:
    assert Retention.parse("7d, 4w,12m").counts == (("d", 7), ("w", 4), ("m", 12))


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = ObjectStore(str(tmp_path_factory.mktemp("place")))
    claim(store)
    return store


def back_up(place: Place, store: ObjectStore, name: str | None = None) -> str:
    """Send a backup, and give it the name of another time."""
    with Lease(store) as lease:
        made = write_incremental(*place, store, lease)[1].name
    if name is None:
        return made
    store.write(manifest_object(name), store.read(manifest_object(made)))
    store.remove(manifest_object(made))
    return name


def add_account(place: Place, biz: str) -> None:
    with place[0].begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO accounts (biz) VALUES ('{biz}')")


def pruned(store: ObjectStore, text: str, made: str) -> Removed:
    with Lease(store) as lease:
        return prune(store, lease, Retention.parse(text), made)


def test_what_only_removed_backups_needed_is_removed_after_them(place: Place, store: ObjectStore) -> None:
    add_account(place, "MzA=")
    first = back_up(place, store, "20260301T030000Z")
    add_account(place, "MzB=")
    second = back_up(place, store, "20260302T030000Z")
    only_first = set(read_manifest(store, first).objects()) - set(read_manifest(store, second).objects())
    assert only_first
    store.write("rows/ab/leftover", b"of a backup that was killed")
    assert pruned(store, "1d", second) == Removed(1, len(only_first) + 1, 1)
    assert backup_names(store) == [second]
    left = {name for sizes in store.shards("rows") for name in sizes}
    assert left == set(read_manifest(store, second).objects())
    open_incremental(store, None).check()
    assert pruned(store, "1d", second) == Removed(0, 0, 1)


def test_the_newest_complete_backup_and_the_one_just_made_are_never_removed(
    place: Place, store: ObjectStore
) -> None:
    add_account(place, "MzA=")
    good = back_up(place, store, "20260301T030000Z")
    objects_of_good = set(read_manifest(store, good).objects())
    add_account(place, "MzB=")
    made = back_up(place, store, "20250101T030000Z")  # by a clock that was set back
    newest = back_up(place, store, "20260302T030000Z")
    for name in set(read_manifest(store, newest).objects()) - objects_of_good:
        store.remove(name)
    pruned(store, "1d", made)
    assert backup_names(store) == [made, good, newest]
    open_incremental(store, good).check()


def test_nothing_is_removed_when_a_manifest_cannot_be_read(place: Place, store: ObjectStore) -> None:
    for number, name in enumerate(("20260301T030000Z", "20260302T030000Z", "20260303T030000Z")):
        add_account(place, f"Mz{number}=")
        back_up(place, store, name)
    store.write(manifest_object("20260301T030000Z"), b"damaged")
    before = {name for sizes in store.shards("rows") for name in sizes}
    with pytest.raises(
        BackupDamaged, match=r"20260301T030000Z is damaged, so nothing was removed; remove backups/"
    ):
        pruned(store, "1d", "20260303T030000Z")
    assert len(backup_names(store)) == 3
    assert {name for sizes in store.shards("rows") for name in sizes} == before


def test_names_are_instants_in_utc() -> None:
    assert made_at("20260302T030405Z-2") == datetime(2026, 3, 2, 3, 4, 5, tzinfo=UTC)

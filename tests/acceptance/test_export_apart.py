"""Accounts and posts apart from each other in what the installed command writes."""

import json
from pathlib import Path

from tests.acceptance.command import Command
from tests.acceptance.dumps import dump_bytes, record

NAMES = ["合成", "合成 .", "合成。" * 100, "CON"]


def _of_account(number: int, name: str) -> dict[str, object]:
    made = record(number, account=name)
    made["链接url"] = str(made["链接url"]).replace("Mzk5OTAwMDAwMg", f"Mzk5OTAwMDAwM{'abcd'[number]}")
    return made


def test_accounts_with_odd_and_equal_names_each_have_their_file(mparchive: Command, tmp_path: Path) -> None:
    records = [_of_account(number, name) for number, name in enumerate(NAMES)]
    mparchive("backfill", "-", "--no-fetch", stdin=dump_bytes(records))
    for form, ending in (("dump", "json"), ("warc", "warc.gz")):
        folder = tmp_path / form
        folder.mkdir()
        done = mparchive("export", "--format", form, "--output", folder)
        assert done.code == 0, done.err
        assert len(list(folder.glob(f"*.{ending}"))) == len(NAMES)
    written = [json.loads(path.read_bytes()) for path in (tmp_path / "dump").iterdir()]
    assert sorted(row["公众号名称"] for (row,) in written) == sorted(NAMES)


def test_an_account_whose_file_cannot_be_written_is_named_and_the_others_are(
    mparchive: Command, tmp_path: Path
) -> None:
    records = [_of_account(number, name) for number, name in enumerate(NAMES[:2])]
    mparchive("backfill", "-", "--no-fetch", stdin=dump_bytes(records))
    assert mparchive("export", "--output", tmp_path).code == 0
    first, second = sorted(tmp_path.iterdir())
    first.unlink()
    first.mkdir()
    second.unlink()
    done = mparchive("export", "--output", tmp_path)
    assert done.code == 3
    assert f"{first} could not be written" in done.err
    assert "1 could not be written; everything else was" in done.err
    assert second.is_file()

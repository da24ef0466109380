"""Tests that the steps for a damaged page in docs/how-to/operate.md repair the archive."""

import re
from pathlib import Path

from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.integrity.verifier import verify_archive
from archive.repository.captures import store_captures
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.checks.mutations import BENEATH
from tests.archive.integrity.filling import context_at
from tests.archive.making import capture
from tests.docs.markdown import DOCS, text_of

OPERATE = text_of(DOCS / "how-to" / "operate.md")
(REPAIR,) = re.findall(r"^  BEGIN;\n(.+?)^  COMMIT;\n", OPERATE, re.DOTALL | re.MULTILINE)
MAKE, COPY, UPDATE = re.split(r"\n(?=  \\copy|  UPDATE)", REPAIR)


def test_a_damaged_page_is_replaced_by_the_one_of_a_backup(engine: Engine, tmp_path: Path) -> None:
    context = context_at(MediaFolder(ArchiveSettings(media=str(tmp_path))))
    with transaction(engine) as session:
        (number,) = store_captures(session, None, [(None, capture())])
    with engine.connect() as backup:
        good = backup.execute(
            text("SELECT b.* FROM captures JOIN bodies AS b USING (sha256) WHERE id = :id"), {"id": number}
        ).one()
    with engine.begin() as connection:
        connection.execute(text(BENEATH))
        connection.execute(text("UPDATE bodies SET data = '\\x00', base_sha256 = NULL"))
    assert set(verify_archive(engine, context).found) == {"bytes"}
    with engine.begin() as connection:
        connection.execute(text(MAKE))
        connection.execute(
            text("INSERT INTO good VALUES (:sha256, :codec, :base_sha256, :data)"), good._asdict()
        )
        connection.execute(text(UPDATE))
    assert verify_archive(engine, context).is_sound
    assert COPY.split()[:3] == ["\\copy", "good", "FROM"]

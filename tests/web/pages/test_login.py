"""The page with the code to scan: for those who have the token, and only while somebody signs in."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from archive.db.settings import ArchiveSettings
from tests.web.served import BEARER, TOKEN, served
from web.auth import Access

CODE = b"\x89PNG\r\n\x1a\nsynthetic"
PROTECTED = Access(token=TOKEN)


@pytest.fixture
def code_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path))
    file = ArchiveSettings().login_code("default")
    file.parent.mkdir(parents=True)
    return file


def test_the_code_is_shown_with_the_token_while_somebody_signs_in(engine: Engine, code_file: Path) -> None:
    with served(engine, access=PROTECTED) as web:
        before = web.ask("GET", "/login?lang=en", **BEARER).body.decode()
        assert "mparchive login weread" in before
        assert 'http-equiv="refresh"' in before
        code_file.write_bytes(CODE)
        page = web.ask("GET", "/login?lang=en", **BEARER).body.decode()
        assert "own account" in page
        assert 'src="/login/default/code.png' in page
        image = web.ask("GET", "/login/default/code.png", **BEARER)
        assert (image.status, image.body, image.headers["Cache-Control"]) == (200, CODE, "no-store")
        code_file.unlink()
        assert web.ask("GET", "/login/default/code.png", **BEARER).status == 404


def test_nobody_sees_it_without_the_token(engine: Engine, code_file: Path) -> None:
    code_file.write_bytes(CODE)
    with served(engine, access=PROTECTED) as web:
        assert web.ask("GET", "/login").status == 401
        assert web.ask("GET", "/login/default/code.png").status == 401
    with served(engine) as web:
        page = web.ask("GET", "/login?lang=en")
        assert "MPARCHIVE_READING_TOKEN" in page.body.decode()
        assert b"code.png" not in page.body
        assert web.ask("GET", "/login/default/code.png").status == 404


@pytest.mark.parametrize("name", ["..%2fdefault", "%2e%2e", ".hidden", "a%00b", "x" * 100])
def test_a_name_leads_to_no_other_folder(engine: Engine, code_file: Path, name: str) -> None:
    code_file.write_bytes(CODE)
    (code_file.parent.parent / "code.png").write_bytes(CODE)
    with served(engine, access=PROTECTED) as web:
        assert web.ask("GET", f"/login/{name}/code.png", **BEARER).status == 404


def test_a_file_that_is_no_image_is_not_sent(engine: Engine, code_file: Path) -> None:
    code_file.write_bytes(b"<script>")
    with served(engine, access=PROTECTED) as web:
        assert web.ask("GET", "/login/default/code.png", **BEARER).status == 404

import io

import pytest
from PIL import Image

from mparchive.commands.login import MARGIN, LoginOptions, half_blocks, log_in, qr_modules
from mparchive.errors import CommandError

SIDE = 25


def modules() -> list[list[bool]]:
    """Return an invented code: the three corners of a real one, and a pattern between."""
    rows = [[(x * 7 + y * 5) % 3 == 0 for x in range(SIDE)] for y in range(SIDE)]
    for left, top in ((0, 0), (SIDE - 7, 0), (0, SIDE - 7)):
        for x in range(-1, 8):
            for y in range(-1, 8):
                if 0 <= left + x < SIDE and 0 <= top + y < SIDE:
                    ring = max(abs(x - 3), abs(y - 3))
                    rows[top + y][left + x] = ring < 2 or ring == 3
    return rows


def image(scale: int, margin: int = 20) -> bytes:
    side = SIDE * scale + 2 * margin
    picture = Image.new("RGB", (side, side), "white")
    for y, row in enumerate(modules()):
        for x, dark in enumerate(row):
            if dark:
                left, top = margin + x * scale, margin + y * scale
                picture.paste((20, 20, 20), (left, top, left + scale, top + scale))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("scale", [3, 8, 10])
def test_the_modules_of_a_code_are_read_from_its_image(scale: int) -> None:
    assert qr_modules(image(scale)) == modules()


def test_a_code_is_printed_two_modules_to_a_character() -> None:
    lines = half_blocks(image(8), coloured=False).splitlines()
    assert len(lines) == (SIDE + 2 * MARGIN + 1) // 2
    assert {len(line) for line in lines} == {SIDE + 2 * MARGIN}
    assert lines[1].strip().startswith("█▀▀▀▀▀█")
    coloured = half_blocks(image(8), coloured=True).splitlines()
    assert all(line.startswith("\x1b[30;107m") and line.endswith("\x1b[0m") for line in coloured)


def test_an_image_without_a_code_prints_nothing() -> None:
    for colour in ("white", "black"):
        file = io.BytesIO()
        Image.new("L", (50, 80), colour).save(file, "PNG")
        assert half_blocks(file.getvalue(), coloured=False) == ""


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "x" * 65, "a b"])
def test_a_name_that_would_be_no_folder_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match="is no name of a login"):
        log_in(LoginOptions(name, 10, False))

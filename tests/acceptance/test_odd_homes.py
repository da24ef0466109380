"""A data folder whose name is long, in Chinese and with spaces, from the first command to the last."""

import os
import subprocess
from pathlib import Path

from tests.acceptance.command import EXECUTABLE, NOWHERE, TIMEOUT
from tests.acceptance.dumps import dump_bytes, record

LENGTH = 200  # characters of the whole path, at least; a path of a socket may have 107 bytes


def test_a_long_chinese_name_with_spaces_works_with_a_server_of_its_own(tmp_path: Path) -> None:
    home = tmp_path / "资料 存档" / ("很长 的 文件夹 " * 8).strip()
    while len(str(home)) < LENGTH:
        home /= "再 深一层"
    environment = {
        **os.environ, "MPARCHIVE_HOME": str(home), "MPARCHIVE_LOOPBACK": NOWHERE, "COLUMNS": "200",
    }  # fmt: skip
    dump = tmp_path / "dump.json"
    dump.write_bytes(dump_bytes([record(1), record(2)]))

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        command = [EXECUTABLE, *map(str, arguments)]
        done = subprocess.run(
            command,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    run("init", dump)
    run("backfill", "--no-fetch", dump)
    run("export", "--output", home / "输出 目录" / "posts.csv")
    assert (home / "输出 目录" / "posts.csv").read_text("utf-8").count(record(1)["链接url"]) == 1
    run("verify")
    assert str(home) in run("config", "show", "--json").stdout

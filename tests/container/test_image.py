"""The built image: what is in it, and the service in it against a real Postgres and the stand-in.

`make image` builds it and runs these; without it they are skipped.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
from sqlalchemy import make_url

from archive.domain.outcomes import Kind
from tests.archive.backup.s3_server import BUCKET, CREDENTIALS, s3_server
from tests.container.image import (
    ENTRY,
    ROOT,
    Container,
    buildah,
    container,
    on_loopback,
    read_only,
    terminate,
)
from tests.crawler.crawling import plain
from tests.standin import Standin
from tests.standin.account import COMMISSION
from tests.standin.week import ALBUM, WEEK

IMAGE = os.environ.get("IMAGE_UNDER_TEST", "")
MOST_BYTES = 1_200_000_000
MOST_SLIM_BYTES = 500_000_000
LONGEST_STOP = 30  # seconds
LONGEST_WAIT = 150  # seconds until the service has found and fetched everything
IN_ALBUM = [post for post in WEEK if post.album == ALBUM]
AUDIO = next(post for post in WEEK if post.kind is Kind.AUDIO)

pytestmark = [
    pytest.mark.skipif(not IMAGE, reason="no image to try: `make image` builds one"),
    pytest.mark.skipif(not shutil.which("buildah"), reason="buildah, which runs the image, is not installed"),
]


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with Standin(week=True) as running:
        yield running


@pytest.fixture(params=[""])
def image(
    request: pytest.FixtureRequest, tmp_path: Path, fresh_database_url: str, standin: Standin
) -> Iterator[Container]:
    """Yield a container whose archive is a database of the test's own; a parameter ends the image's name."""
    url = make_url(plain(fresh_database_url))
    with on_loopback(f"{url.query['host']}/.s.PGSQL.{url.query.get('port', 5432)}") as port:
        environment = {
            "MPARCHIVE_DATABASE_URL": f"postgresql://{url.username}@127.0.0.1:{port}/{url.database}",
            "MPARCHIVE_DATABASE_PASSWORD_FILE": "/run/secrets/database_password",
            "MPARCHIVE_LOOPBACK": standin.origin,
            "MPARCHIVE_DOWNLOAD_DELAY": "0",
        }
        with container(f"{IMAGE}{request.param}", tmp_path, environment) as made:
            (tmp_path / "secrets" / "database_password").write_text("synthetic\n")
            yield made


def posts(database_url: str) -> set[str]:
    with psycopg.connect(plain(database_url)) as connection:
        return {aid for (aid,) in connection.execute("SELECT aid FROM posts")}


def test_the_image_is_small_and_has_no_build_tools(image: Container) -> None:
    one = json.loads(buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]
    assert one["User"] == "mparchive"
    assert one["Healthcheck"]["Test"] == ["CMD", "mparchive", "status", "--json"]
    _, out, _ = image.run("sh", "-c", "id -u; command -v pip gcc make cc ld; du -xsb / 2>/dev/null | cut -f1")
    uid, *tools, size = out.split()
    assert (uid, tools) == ("1000", [])
    assert int(size) < MOST_BYTES, size


def test_the_image_has_the_bill_of_materials(image: Container) -> None:
    code, out, err = image.run("cat", "/opt/mparchive/mparchive/sbom.cdx.json")
    assert code == 0, err
    assert json.loads(out) == json.loads((ROOT / "mparchive" / "sbom.cdx.json").read_text("utf-8"))


def test_the_service_watches_an_account_and_stops_on_sigterm(
    image: Container, fresh_database_url: str, tmp_path: Path
) -> None:
    assert image.run(*ENTRY, "status", "--json")[0] == 0  # the health check

    code, _, err = image.run(*ENTRY, "init", IN_ALBUM[0].short_url)
    config = tmp_path / "config" / "mparchive.toml"
    assert (code, COMMISSION.nickname in config.read_text()) == (0, True), err
    assert config.stat().st_uid == 1000

    code, out, err = image.run(*ENTRY, "backfill", "--json", AUDIO.url)  # its text is drawn by Chromium
    assert (code, json.loads(out)["counts"].get("new")) == (0, 1), err
    with psycopg.connect(plain(fresh_database_url)) as connection:
        assert connection.execute("SELECT count(*) FROM captures WHERE rendered").fetchone() == (1,)

    config.write_text(config.read_text().replace("# albums = ", "albums = "))
    wanted = {post.aid for post in IN_ALBUM}
    with image.service("worker") as worker, image.service("run") as service:
        until = time.monotonic() + LONGEST_WAIT
        while not wanted <= posts(fresh_database_url) and time.monotonic() < until and service.poll() is None:
            time.sleep(1)
        codes = terminate(worker, LONGEST_STOP), terminate(service, LONGEST_STOP)
    said = "\n".join(path.read_text() for path in tmp_path.glob("*.log"))
    assert (codes, wanted - posts(fresh_database_url)) == ((0, 0), set()), said


def test_the_image_has_chromium_and_a_font_for_chinese(image: Container) -> None:
    code, out, err = image.run(*ENTRY, "doctor", "--json")
    found = {check["subject"]: check["state"] for check in json.loads(out)}
    assert (found["fonts"], found["chromium"]) == ("ok", "ok"), out
    assert code in (0, 3), err


slim = pytest.mark.parametrize("image", ["-slim"], indirect=True)


@slim
def test_the_image_without_chromium_is_half_as_large(image: Container) -> None:
    _, out, _ = image.run("sh", "-c", "id -u; command -v chromium node pip; du -xsb / 2>/dev/null | cut -f1")
    uid, *programs, size = out.split()
    assert (uid, programs) == ("1000", [])
    assert int(size) < MOST_SLIM_BYTES, size


@slim
def test_the_image_without_chromium_fetches_and_leaves_what_must_be_rendered_to_others(
    image: Container, fresh_database_url: str
) -> None:
    addresses = [IN_ALBUM[0].url, AUDIO.url]
    with read_only(image, *ENTRY, "backfill", "--json", "--no-media", *addresses) as process:
        said, _ = process.communicate(timeout=LONGEST_WAIT)
    assert process.returncode in (0, 3), said
    assert IN_ALBUM[0].aid in posts(fresh_database_url)
    assert "Traceback" not in said


@slim
def test_the_image_without_chromium_backs_up_to_s3_and_reads_it_back(
    image: Container, tmp_path: Path
) -> None:
    lines = (
        f"{name.lower()} = {CREDENTIALS[name]}" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    )
    (tmp_path / "secrets" / "s3_credentials").write_text("\n".join(["[default]", *lines]))
    with s3_server() as address:
        image.environment.update(
            AWS_SHARED_CREDENTIALS_FILE="/run/secrets/s3_credentials", AWS_ENDPOINT_URL=address
        )
        for command in (["backup", "--to"], ["restore", "--verify-only"]):
            code, _, err = image.run(*ENTRY, *command, f"s3://{BUCKET}/posts")
            assert code == 0, err


@slim
def test_the_web_of_the_image_without_chromium_needs_nothing_writable_but_its_folders(
    image: Container,
) -> None:
    with read_only(
        image, "sh", "-c", "touch /opt/mparchive/x /config/x; touch /tmp/x /data/x && id -u"
    ) as tried:
        said, _ = tried.communicate(timeout=LONGEST_WAIT)
    assert (said.count("Read-only file system"), said.split()[-1]) == (2, "1000")
    with read_only(image, *ENTRY, "serve", "--port", "0") as server:
        assert server.stdout is not None
        serving = next(line for line in server.stdout if '"event": "serving"' in line)
        with urlopen(json.loads(serving)["address"], timeout=LONGEST_WAIT) as answer:
            assert answer.status == 200


def test_the_daemon_runs_with_a_read_only_root(
    image: Container, tmp_path: Path, fresh_database_url: str
) -> None:
    account = f'[[accounts]]\nbiz = "{COMMISSION.biz}"\nname = "合成"\nalbums = ["{ALBUM}"]\n'
    (tmp_path / "config" / "mparchive.toml").write_text(account, encoding="utf-8")
    with read_only(image, *ENTRY, "run") as service:
        assert service.stdout is not None
        ended = next(line for line in service.stdout if '"event": "crawl_ended"' in line)
    assert json.loads(ended)["verdict"] == "done"
    assert {post.aid for post in IN_ALBUM} <= posts(fresh_database_url)

"""The image and the compose file, by what they say; the image itself is tried by `make image`."""

import json
import os
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from sqlalchemy import make_url

from archive.db.roles import OWNER, READER
from tests.archive.backup.own_server import own_server

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [service for name, service in SERVICES.items() if name != "postgres"]


def schema() -> Any:
    """Return the schema of the compose specification, as check-jsonschema ships it."""
    vendored = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    return json.loads(vendored.read_text())


WEB_SECRETS = ["inbox_token", "reading_token"]


def test_the_compose_file_is_one_by_the_specification() -> None:
    jsonschema.validate(COMPOSE, schema())


def test_the_documented_override_for_s3_is_one_by_the_specification() -> None:
    page = (ROOT / "docs" / "how-to" / "back-up-and-restore.md").read_text()
    (block,) = re.findall(r"^```yaml\n(# docker-compose.override.*?)^```", page, re.MULTILINE | re.DOTALL)
    override = yaml.safe_load(block)
    jsonschema.validate(override, schema())
    assert set(override["services"]) <= set(SERVICES)
    assert [f"/run/secrets/{name}" for name in override["services"]["mparchive"]["secrets"]] == [
        override["services"]["mparchive"]["environment"]["AWS_SHARED_CREDENTIALS_FILE"]
    ]


@pytest.mark.parametrize(
    "wrong", [{"services": {"a": {"imagee": "x"}}}, {"services": {"a": {"restart": 3}}}, {"volume": {}}]
)
def test_the_specification_would_refuse_a_mistake(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**COMPOSE, **wrong}, schema())


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_comes_back_within_bounds(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["logging"]["options"]["max-size"]
    assert int(service["stop_grace_period"].removesuffix("s")) >= 40
    assert "no-new-privileges:true" in service["security_opt"]


def test_every_service_has_a_read_only_root_and_few_rights() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["pids_limit"] <= 512
        assert bool(service.get("cap_add")) is (name == "postgres")
    assert not {"SYS_ADMIN", "NET_ADMIN", "ALL"} & set(SERVICES["postgres"]["cap_add"])


def test_what_holds_pages_can_write_nowhere_else() -> None:
    for name, service in SERVICES.items():
        writable = {volume.split(":")[1] for volume in service["volumes"] if not volume.endswith(":ro")}
        assert writable == {"postgres": {"/var/lib/postgresql"}, "web": set()}.get(name, {"/data", "/config"})
    assert [volume.split(":")[1] for volume in SERVICES["web"]["volumes"]] == ["/data"], "no configuration"


def test_the_database_is_waited_for_and_each_role_has_a_password_in_a_file() -> None:
    assert SERVICES["postgres"]["healthcheck"]["test"][1].startswith("pg_isready")
    for service in OURS:
        assert service["depends_on"]["postgres"]["condition"] == "service_healthy"
        is_web = service is SERVICES["web"]
        (variable,) = [name for name in service["environment"] if name.endswith("DATABASE_URL")]
        url = make_url(service["environment"][variable])
        assert variable == ("MPARCHIVE_READER_DATABASE_URL" if is_web else "MPARCHIVE_DATABASE_URL")
        assert (url.username, url.password) == (READER if is_web else OWNER, None)
        assert service["secrets"] == (["reader_password", *WEB_SECRETS] if is_web else ["database_password"])
    passwords = ["superuser_password", "database_password", "reader_password"]
    assert SERVICES["postgres"]["secrets"] == passwords
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/superuser_password"
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())


def test_only_the_services_reach_the_database_and_nothing_is_published_beyond_this_machine() -> None:
    assert COMPOSE["networks"]["database"]["internal"] is True
    assert SERVICES["postgres"]["networks"] == ["database"]
    assert "ports" not in SERVICES["postgres"]
    assert SERVICES["web"]["networks"] == ["database", "readers"], (
        "the web does not share the crawlers' network"
    )
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published == ["127.0.0.1:8788:8788"]


def test_images_are_pinned_by_a_full_tag() -> None:
    base = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert base
    assert re.fullmatch(r"debian:bookworm-\d{8}-slim(@sha256:[0-9a-f]{64})?", base[1])
    image = SERVICES["postgres"]["image"]
    assert re.fullmatch(r"postgres:18\.\d+-trixie(@sha256:[0-9a-f]{64})?", image)


def test_the_databases_script_makes_the_roles_and_sets_their_passwords(tmp_path: Path) -> None:
    script = ROOT / "docker" / "roles.sh"
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in SERVICES["postgres"]["volumes"]}
    assert mounted["/docker-entrypoint-initdb.d/roles.sh"] == "./docker/roles.sh"
    assert mounted["/roles.sql"] == "./archive/db/roles.sql"
    assert os.access(script, os.X_OK), "the image would source it otherwise"
    with own_server() as server:
        for name in ("database_password", "superuser_password", "reader_password"):
            (server.kept / name).write_text(f"it's a \\ {name}\n")
        (server.kept / "roles.sql").write_bytes((ROOT / "archive" / "db" / "roles.sql").read_bytes())
        variables = f"POSTGRES_USER=postgres POSTGRES_DB=mparchive SECRETS={server.kept}"
        command = f"cat > {server.kept}/roles.sh <<'SCRIPT'\n{script.read_text()}\nSCRIPT\n"
        for _ in range(2):
            server.sh(f"{command}{variables} ROLES={server.kept}/roles.sql bash {server.kept}/roles.sh")
        having = "SELECT rolname FROM pg_authid WHERE rolpassword LIKE 'SCRAM%' ORDER BY 1"
        assert server.asked(having).split() == [OWNER, READER, "postgres"]
        assert server.asked("SELECT rolname FROM pg_roles WHERE rolsuper") == "postgres"


def test_the_reading_room_is_only_opened_by_whoever_asks_for_it_and_has_its_tokens_in_files() -> None:
    web = SERVICES["web"]
    assert web["profiles"] == ["web"]
    assert web["command"] == ["serve", "--host", "0.0.0.0"]
    for secret in WEB_SECRETS:
        assert web["environment"][f"MPARCHIVE_{secret.upper()}_FILE"] == f"/run/secrets/{secret}"
    assert "/livez" in web["healthcheck"]["test"][-1]
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["web"]


def test_only_the_web_does_without_chromium() -> None:
    built = {name: (one["image"], one["build"]) for name, one in SERVICES.items() if "build" in one}
    slim = ("mparchive-slim", {"context": ".", "target": "slim"})
    assert built == {"mparchive": ("mparchive", "."), "worker": ("mparchive", "."), "web": slim}


def test_workers_can_be_multiplied_and_share_one_egress() -> None:
    egress = {SERVICES[name]["environment"]["MPARCHIVE_EGRESS"] for name in ("mparchive", "worker")}
    assert egress == {"${MPARCHIVE_EGRESS:-default}"}, "more workers must not fetch faster from one address"
    worker = SERVICES["worker"]
    assert worker["command"] == ["worker"]
    assert not {"container_name", "ports"} & set(worker)
    assert worker["deploy"]["resources"] == SERVICES["mparchive"]["deploy"]["resources"]


def test_the_image_is_run_by_nobody_mighty_and_hears_signals() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    runtime = next(stage for stage in DOCKERFILE.split("\nFROM ") if stage.startswith("${BASE} AS runtime\n"))
    slim = next(stage for stage in DOCKERFILE.split("\nFROM ") if stage.startswith("runtime AS slim\n"))
    assert DOCKERFILE.count("ARG BASE=debian:bookworm-") == 1
    assert final.startswith("runtime\n")
    assert "chromium" in final and "chromium" not in slim
    assert final.endswith("\nUSER mparchive\n")
    assert slim.endswith("\nUSER mparchive\n")
    assert 'ENTRYPOINT ["tini", "--", "mparchive"]' in runtime
    assert 'CMD ["run"]' in runtime
    assert re.search(r"^HEALTHCHECK .*--timeout=\d+s .*CMD \[", runtime, re.MULTILINE)
    assert "--require-hashes" in DOCKERFILE
    assert not re.search(r"gcc|build-essential|python3-venv|pip install", runtime + slim + final)


def test_the_image_has_the_packages_of_a_checkout_and_s3() -> None:
    users, image = (
        set(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.txt", "requirements-image.txt")
    )
    assert users <= image, "`make lock` writes both"
    assert "s3fs" in dict(image - users)


def test_nothing_but_code_enters_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        name
        for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    assert let_in == copied
    assert all((ROOT / name).exists() for name in copied)


def test_every_image_has_a_full_tag() -> None:
    images = [
        service["image"] for service in SERVICES.values() if not service["image"].startswith("mparchive")
    ]
    images += re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE)
    stages = re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE)
    known = ["${BASE}", *stages]
    images += [name for name in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) if name not in known]
    assert len(images) == 2
    for image in images:
        tag = image.partition("@")[0].rpartition(":")[2]
        assert re.fullmatch(r"\d+\.\d+-[a-z]+|[a-z]+-\d{8}-slim", tag), image


def test_images_are_pinned_by_digest_with_one_command(tmp_path: Path) -> None:
    """A registry is out of reach of the tests: skopeo is a script that prints a digest for each image."""
    for name in ("Dockerfile", "docker-compose.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    script = shutil.copy(ROOT / "bin" / "pin-images", tmp_path / "bin")
    (tmp_path / "skopeo").write_text('#!/bin/sh\nprintf "sha256:%064d\\n" "${#4}"\n')
    (tmp_path / "skopeo").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def run(*arguments: str) -> int:
        return subprocess.run([script, *arguments], env=environment, check=False).returncode

    before = {name: (tmp_path / name).read_text() for name in ("Dockerfile", "docker-compose.yml")}
    assert run("--check") == 1
    assert [run(), run(), run("--check")] == [0, 0, 0]
    for name, text in before.items():
        pinned = (tmp_path / name).read_text()
        assert re.sub(r"@sha256:[0-9a-f]{64}\b", "", pinned) == text
        assert len(re.findall(r"@sha256:[0-9a-f]{64}$", pinned, re.MULTILINE)) == 1
    (tmp_path / "skopeo").write_text("#!/bin/sh\necho manifest unknown\n")
    assert run() == 1

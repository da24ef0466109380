"""The image and the compose file, by what they say; the image itself is tried by `make image`."""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

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


def test_what_holds_pages_can_write_nowhere_else() -> None:
    for service in OURS:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert {volume.split(":")[1] for volume in service["volumes"]} == {"/data", "/config"}


def test_the_database_is_waited_for_and_its_password_is_a_file() -> None:
    assert SERVICES["postgres"]["healthcheck"]["test"][1].startswith("pg_isready")
    for service in OURS:
        assert service["depends_on"]["postgres"]["condition"] == "service_healthy"
        assert "@" in service["environment"]["MPARCHIVE_DATABASE_URL"]
        assert not re.search(r"//[^@/]*:[^@/]*@", service["environment"]["MPARCHIVE_DATABASE_URL"])
    for name, service in SERVICES.items():
        assert service["secrets"] == ["database_password", *(WEB_SECRETS if name == "web" else [])]
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_reading_room_is_only_opened_by_whoever_asks_for_it_and_has_its_tokens_in_files() -> None:
    web = SERVICES["web"]
    assert web["profiles"] == ["web"]
    assert web["command"] == ["serve", "--host", "0.0.0.0"]
    assert web["environment"].items() > SERVICES["mparchive"]["environment"].items()
    for secret in WEB_SECRETS:
        assert web["environment"][f"MPARCHIVE_{secret.upper()}_FILE"] == f"/run/secrets/{secret}"
    assert "/livez" in web["healthcheck"]["test"][-1]
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["web"]


def test_workers_can_be_multiplied() -> None:
    worker = SERVICES["worker"]
    assert worker["command"] == ["worker"]
    assert not {"container_name", "ports"} & set(worker)
    assert worker["deploy"]["resources"] == SERVICES["mparchive"]["deploy"]["resources"]


def test_the_image_is_run_by_nobody_mighty_and_hears_signals() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert DOCKERFILE.count("ARG BASE=debian:bookworm-slim") == 1
    assert "\nUSER mparchive\n" in final
    assert 'ENTRYPOINT ["tini", "--", "mparchive"]' in final
    assert 'CMD ["run"]' in final
    assert re.search(r"^HEALTHCHECK .*--timeout=\d+s .*CMD \[", final, re.MULTILINE)
    assert "--require-hashes" in DOCKERFILE
    assert not re.search(r"gcc|build-essential|python3-venv|pip install", final)


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

"""Test the alert rules for Prometheus, and the queries of the dashboard, with Prometheus's own tool."""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine

from archive.reports.metrics import ArchiveMetrics

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
PROMTOOL = shutil.which("promtool", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="there is no promtool; `make setup` as root on Debian gets it"
)

LABELS = 'instance="a:1"'
ACCOUNT = f'mparchive_account_info{{{LABELS},biz="B",account="示例号"}}'
SOURCE = f'{{{LABELS},biz="B",source="album:1"}}'

# One value every five minutes, every hour for times of weeks; STEP stands for the seconds between two values.
# `time()` begins at 0, so a timestamp of 0 is as old as the test is long.
WELL = {
    f"mparchive_up{{{LABELS}}}": "1+0x12000",
    ACCOUNT: "1+0x12000",
    f"mparchive_last_backup_timestamp_seconds{{{LABELS}}}": "0+STEPx12000",
    f"mparchive_last_verified_timestamp_seconds{{{LABELS}}}": "0+STEPx12000",
    f"mparchive_source_good{SOURCE}": "1+0x12000",
    f"mparchive_source_last_good_timestamp_seconds{SOURCE}": "0+STEPx12000",
    f"mparchive_free_disk_bytes{{{LABELS},folder=\"/data\"}}": "9000000000+0x12000",
    f"mparchive_unread{{{LABELS}}}": "0+0x12000",
}  # fmt: skip

# The name of an alert: the series that differ, when it must have begun, when it must not have yet.
FAULTS: dict[str, tuple[dict[str, str], str, str]] = {
    "MparchiveDown": ({f"mparchive_up{{{LABELS}}}": "0+0x12000"}, "10m", "0m"),
    "MparchiveIncident": ({f'mparchive_incidents{{{LABELS},key="blind:B"}}': "1+0x12000"}, "5m", "0m"),
    "MparchiveSourceFailing": ({f"mparchive_source_good{SOURCE}": "0+0x12000"}, "7h", "5h"),
    "MparchiveSourceStale": (
        {f"mparchive_source_last_good_timestamp_seconds{SOURCE}": "0+0x12000"}, "37h", "35h"),
    "MparchiveWorkOverdue": (
        {f"mparchive_oldest_due_timestamp_seconds{{{LABELS}}}": "0+0x12000"}, "25h", "23h"),
    "MparchiveJobsWaiting": ({f'mparchive_jobs{{{LABELS},queue="media"}}': "51+0x12000"}, "2h", "30m"),
    "MparchiveCapturesUnparsed": ({f"mparchive_unread{{{LABELS}}}": "3+0x12000"}, "2h", "30m"),
    "MparchiveEgressBackingOff": (
        {f'mparchive_egress_held{{{LABELS},egress="home"}}': "1+0x12000"}, "13h", "11h"),
    "MparchiveDiskAlmostFull": (
        {f'mparchive_free_disk_bytes{{{LABELS},folder="/data"}}': "2000000000+0x12000"}, "20m", "5m"),
    "MparchiveBackupOld": (
        {f"mparchive_last_backup_timestamp_seconds{{{LABELS}}}": "0+0x12000"}, "50h", "47h"),
    "MparchiveNotVerified": (
        {f"mparchive_last_verified_timestamp_seconds{{{LABELS}}}": "0+0x12000"}, "850h", "830h"),
}  # fmt: skip


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    read = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


def promtool(*arguments: str | Path) -> str:
    """Run promtool and return what it printed; it must succeed."""
    assert PROMTOOL
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts_at(folder: Path, series: dict[str, str], alert: str, at: str) -> bool:
    """Return whether promtool finds the alert firing at a time after the series began."""
    step = 3600 if at.endswith("0h") and len(at) > 3 else 300
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": f"{step}s",
        "tests": [
            {
                "interval": f"{step}s",
                "input_series": [
                    {"series": name, "values": values.replace("STEP", str(step))}
                    for name, values in series.items()
                    if values
                ],
                "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": []}],
            }
        ],
    }
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(test, allow_unicode=True), encoding="utf-8")
    assert PROMTOOL
    done = subprocess.run(
        [PROMTOOL, "test", "rules", path], capture_output=True, text=True, timeout=120, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 or f"alertname: {alert}" in said, (
        said
    )  # an alert that is there fails the test
    return done.returncode != 0


def test_every_rule_has_a_test_a_summary_and_an_action() -> None:
    assert {rule["alert"] for rule in rules()} == set(FAULTS)
    assert all(set(rule["annotations"]) == {"summary", "action"} for rule in rules())


def test_the_rules_use_metrics_that_there_are(engine: Engine) -> None:
    exported = {
        one.name for one in ArchiveMetrics(engine, lambda: datetime(2026, 3, 2, tzinfo=UTC)).collect()
    }
    used = {name for rule in rules() for name in re.findall(r"\bmparchive_\w+", rule["expr"])}
    assert used <= exported


@needs_promtool
def test_promtool_accepts_the_rules_and_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    assert f"{len(FAULTS)} rules found" in promtool("check", "rules", RULES)
    board = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    recorded = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}), encoding="utf-8")
    assert f"{len(queries)} rules found" in promtool("check", "rules", path)


@needs_promtool
@pytest.mark.parametrize("alert", FAULTS)
def test_each_alert_fires_after_its_time_and_not_before(tmp_path: Path, alert: str) -> None:
    differing, firing_at, silent_at = FAULTS[alert]
    assert alerts_at(tmp_path, WELL | differing, alert, firing_at)
    assert not alerts_at(tmp_path, WELL | differing, alert, silent_at)


@needs_promtool
@pytest.mark.parametrize("alert", FAULTS)
def test_no_alert_fires_while_all_is_well(tmp_path: Path, alert: str) -> None:
    assert not alerts_at(tmp_path, WELL, alert, "60h")


@needs_promtool
@pytest.mark.parametrize("name", ["last_backup", "last_verified"])
def test_an_archive_never_backed_up_or_verified_is_alerted(tmp_path: Path, name: str) -> None:
    alert = {"last_backup": "MparchiveBackupOld", "last_verified": "MparchiveNotVerified"}[name]
    without = {series: values for series, values in WELL.items() if name not in series}
    assert alerts_at(tmp_path, without, alert, "2h")

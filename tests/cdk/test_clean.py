"""cdk-nag and cfn-lint find nothing, and what is acknowledged has a reason. The synthesis was told no credentials."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kit import templates

ACKNOWLEDGED = {"AwsSolutions-APIG4": 1, "AwsSolutions-L1": len(templates.FOLDERS), "AwsSolutions-SQS3": 1}
"""Rule, and how many resources of every stack it is about."""
SEALING = {"AwsSolutions-IAM5": 5, "AwsSolutions-L1": 2, "AwsSolutions-S1": 2, "AwsSolutions-SQS3": 1}
"""The same, where events are sealed besides."""
INSIDE = {"AwsSolutions-ELB2": 1}
"""The same, where there is a private address."""
STACKS = {f"tkms-{tenant['name']}" for tenant in templates.VARIANTS} | {"tkms-full-standby"}
"""Besides what copies are made of."""


def _report(assembly: Path) -> dict[str, Any]:
    (report,) = [
        report
        for report in json.loads((assembly / "validation-report.json").read_text())["pluginReports"]
        if report["pluginName"] == "AwsSolutions"
    ]
    found: dict[str, Any] = report
    return found


def test_cdk_nag_finds_nothing_in_any_stack(assembly: Path) -> None:
    report = _report(assembly)
    assert report["violations"] == []
    assert report["conclusion"] == "success"


def test_what_is_acknowledged_is_known_here(assembly: Path) -> None:
    found: Counter[str] = Counter()
    for row in _report(assembly)["suppressedViolations"]:
        where = [construct["constructPath"].partition("/")[0] for construct in row["violatingConstructs"]]
        found[row["ruleName"].partition("[")[0]] += sum(stack in STACKS for stack in where)
    assert found == Counter({rule: count * len(STACKS) for rule, count in ACKNOWLEDGED.items()}) + Counter(
        {**SEALING, **INSIDE}
    )


@pytest.mark.parametrize("name", ["full", "sealing"])
def test_cfn_lint_finds_nothing_where_every_option_is_used(assembly: Path, name: str) -> None:
    """W3005: the CDK says dependencies that follow from references, too."""
    template = assembly / f"tkms-{name}.template.json"
    program = "import sys; from cfnlint.runner import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "--ignore-checks", "W3005", "--template", str(template)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr

"""The Dockerfile, the compose file and the systemd unit: what they run works in an environment that has nothing else.

No container is made: the commands of the Dockerfile are run one by one, with paths of this test in place of its own.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import uv
import yaml
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parent.parent.parent
UNIT = ROOT / "deploy/tenant-kms.service"


def _instructions() -> list[tuple[str, str]]:
    """(name, value) of each."""
    parser = DockerfileParser(str(ROOT / "Dockerfile"))
    return [(one["instruction"], one["value"]) for one in parser.structure if one["instruction"] != "COMMENT"]


def _stages() -> list[list[tuple[str, str]]]:
    stages: list[list[tuple[str, str]]] = [[]]
    for one in _instructions():
        if one[0] == "FROM":
            stages.append([])
        stages[-1].append(one)
    return stages


def _of(stage: list[tuple[str, str]], name: str) -> list[str]:
    return [value for instruction, value in stage if instruction == name]


def _context(folder: Path) -> None:
    """Copy what the build stage copies."""
    for copied in _of(_stages()[1], "COPY"):
        *sources, target = copied.split()
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / source, folder / target)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Dockerfile's build makes, from the context alone. Nothing is loaded: the checkout has it."""
    folder = tmp_path_factory.mktemp("image")
    source, made = folder / "src", folder / "tkms"
    source.mkdir()
    _context(source)
    sync = _of(_stages()[1], "RUN")[-1]
    assert sync.startswith("/uv/bin/uv sync --locked --no-cache ")
    words = sync.replace("--no-cache", "--offline --quiet").split()[1:]
    paths = {"UV_PROJECT_ENVIRONMENT": str(made), "UV_PYTHON": sys.executable}
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | paths
    subprocess.run([uv.find_uv_bin(), *words], cwd=source, env=environment, check=True, timeout=300)
    shutil.rmtree(source)
    return made


@pytest.fixture
def environment(image: Path, tmp_path: Path) -> dict[str, str]:
    """The last stage's, with a data directory of this test, and nothing else."""
    words = " ".join(_of(_stages()[2], "ENV")).split()
    set_ = dict(word.split("=", 1) for word in words)
    assert set_["TKMS_DATA_DIR"] == "/data"
    return {
        "PATH": set_["PATH"].replace("/opt/tkms", str(image)),
        "TKMS_DATA_DIR": str(tmp_path / "data"),
        "HOME": str(tmp_path),
    }


def _run(environment: Mapping[str, str], *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    found = shutil.which(words[0], path=environment["PATH"])
    assert found, words
    return subprocess.run(
        [found, *words[1:]],
        env=environment,
        cwd=environment["HOME"],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


def _out(environment: Mapping[str, str], *words: str, stdin: str = "") -> str:
    done = _run(environment, *words, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, ""), words
    return done.stdout


@contextmanager
def _serving(environment: Mapping[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    """The command, until it is ready; stopped as an engine or systemd does."""
    found = shutil.which(words[0], path=environment["PATH"])
    assert found
    with subprocess.Popen([found, *words[1:]], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("tkms: ready on "):
                    break
            else:
                raise AssertionError(process.wait())
            yield process
        finally:
            process.terminate()
            process.wait(timeout=20)


# -- the image -----------------------------------------------------------------------------------------


def test_the_image_is_pinned_and_nobody_in_it_is_root() -> None:
    arguments, build, last = _stages()
    (base,) = _of(arguments, "ARG")
    assert re.fullmatch(r"PYTHON=docker\.io/library/python:3\.\d+-slim-[a-z]+", base)
    assert [_of(stage, "FROM")[0].split()[0] for stage in (build, last)] == ["${PYTHON}"] * 2
    assert _of(last, "USER") == ["10001:10001"]
    assert last.index(("USER", "10001:10001")) > max(i for i, (name, _) in enumerate(last) if name == "RUN")
    assert _of(last, "VOLUME") == ["/data"]
    (made,) = _of(last, "RUN")
    assert "--mode 0700 --owner 10001 --group 10001 /data" in made
    makefile = (ROOT / "Makefile").read_text()
    assert f"uv=={re.search('UV_VERSION := (.*)', makefile)[1]}" in _of(build, "RUN")[0]  # type: ignore[index]


def test_no_instruction_goes_by_a_shell_that_must_not() -> None:
    last = _stages()[2]
    assert json.loads(_of(last, "ENTRYPOINT")[0]) == ["tkms"]
    assert json.loads(_of(last, "CMD")[0]) == ["serve", "--host", "0.0.0.0"]
    assert json.loads(_of(last, "HEALTHCHECK")[0].partition("CMD ")[2]) == ["tkms", "ready"]


def test_the_context_has_what_is_copied_and_no_more() -> None:
    """`.dockerignore` is read from above, and its last line that fits counts."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    kept = {line[1:] for line in lines if line[0] == "!"}
    copied = {word for value in _of(_stages()[1], "COPY") for word in value.split()[:-1]}
    assert copied == kept
    assert all(fnmatch("a/__pycache__" if "cache" in line else "a/b.pyc", line) for line in lines if "**" in line)


def test_the_image_has_what_the_machine_needs_and_no_more(image: Path) -> None:
    (site,) = image.glob("lib/python3*/site-packages")
    names = {path.name.partition("-")[0] for path in site.glob("*.dist-info")}
    assert names == {
        *(
            "cffi",
            "click",
            "cryptography",
            "h11",
            "httptools",
            "msgspec",
            "prometheus_client",
            "shtab",
            "pycparser",
            "tenant_kms",
            "uvicorn",
            "uvloop",
        )
    }
    assert not (site / "tests").exists()


def test_the_container_serves_says_whether_it_is_well_and_stops(environment: dict[str, str]) -> None:
    last = _stages()[2]
    serve = [*json.loads(_of(last, "ENTRYPOINT")[0]), *json.loads(_of(last, "CMD")[0])]
    here = ["127.0.0.1" if word == "0.0.0.0" else word for word in serve]
    health = json.loads(_of(last, "HEALTHCHECK")[0].partition("CMD ")[2])
    before = _run(environment, *health)
    assert (before.returncode, before.stdout) == (1, "")
    assert "There is no data directory at" in before.stderr
    with _serving(environment, *here, "--port", "0") as process:
        assert _out(environment, *health).startswith("ready on http://127.0.0.1:")
        assert "access key secret" in _out(environment, "tkms", "welcome")
    assert process.returncode in (0, -15)
    after = _run(environment, *health)
    assert after.returncode == 1
    assert "does not answer" in after.stderr


def test_health_is_told_through_tls_and_while_something_is_broken(environment: dict[str, str]) -> None:
    files = ("-keyout", f"{environment['HOME']}/key.pem", "-out", f"{environment['HOME']}/cert.pem")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=elsewhere")
    subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True)
    tls = ("--tls-cert", files[3], "--tls-key", files[1])
    environment["http_proxy"] = environment["https_proxy"] = "http://127.0.0.1:9"
    with _serving(environment, "tkms", "serve", "--port", "0", *tls):
        assert _out(environment, "tkms", "ready").startswith("ready on https://127.0.0.1:")
        log = Path(environment["TKMS_DATA_DIR"]) / "audit.jsonl"
        log.rename(log.with_suffix(".away"))
        time.sleep(1.1)
        done = _run(environment, "tkms", "ready")
        assert done.returncode == 1
        assert "is not ready" in done.stderr
        assert '"audit":"failed"' in done.stderr.replace(" ", "")


def test_who_starts_it_may_wait(environment: dict[str, str]) -> None:
    line = [str(shutil.which("tkms", path=environment["PATH"])), "ready", "--wait", "50s"]
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True) as waiting:
        time.sleep(0.5)
        assert waiting.poll() is None
        with _serving(environment, "tkms", "serve", "--port", "0"):
            assert waiting.wait(timeout=30) == 0


# -- what was installed, from anywhere -----------------------------------------------------------------


def test_what_was_installed_does_the_whole_of_the_readme_s_session(environment: dict[str, str]) -> None:
    home = Path(environment["HOME"])
    _out(environment, "tkms", "init")
    blob = _out(environment, "tkms", "encrypt", "--context", "a=b", stdin="secret")
    assert _out(environment, "tkms", "decrypt", "--context", "a=b", stdin=blob) == "secret"
    assert "alibabacloud_kms20160120" in _run(environment, "tkms", "snippet", "alibaba").stdout
    (home / "inbox").mkdir()
    (home / "sealed").mkdir()
    (home / "report").write_text("figures")
    _out(environment, "tkms", "seal", "report", "--to", "sealed")
    _out(environment, "tkms", "unseal", "sealed/report.tkms", "--to", "inbox")
    assert (home / "inbox/report").read_text() == "figures"
    watch = [str(shutil.which("tkms", path=environment["PATH"])), "watch", "inbox", "sealed"]
    (home / "inbox/report").rename(home / "inbox/second")
    with subprocess.Popen(watch, env=environment, cwd=home, stdout=subprocess.DEVNULL) as watching:
        until = time.monotonic() + 40
        while (home / "inbox/second").exists() and time.monotonic() < until:
            time.sleep(0.2)
        watching.terminate()
    assert (home / "sealed/second.tkms").exists()
    assert not (home / "inbox/second").exists()
    assert "0 problems" in _out(environment, "tkms", "audit", "verify")
    assert "0 problems" in _out(environment, "tkms", "doctor")
    assert {path.name for path in home.iterdir()} == {"data", "inbox", "sealed", "report"}


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("key", "list", "--stack", "tkms-acme"), "aws"),
        (("events", "status", "--stack", "tkms-acme"), "aws"),
        (("doctor", "--stack", "tkms-acme"), "aws"),
        (("import-from", "aws", "--key", "alias/default"), "aws"),
        (("import-from", "alibaba", "--key", "alias/default"), "alibaba"),
        (("import-from", "tencent", "--key", "alias/default"), "tencent"),
    ],
)
def test_what_is_not_installed_is_named_by_what_installs_it(
    environment: dict[str, str], words: tuple[str, ...], extra: str
) -> None:
    _out(environment, "tkms", "init")
    done = _run(environment, "tkms", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"is not installed: pip install '.[{extra}]' in the checkout" in done.stderr
    assert done.stderr.count("\n") == 1


# -- compose -------------------------------------------------------------------------------------------


def test_the_compose_file_says_what_the_image_has() -> None:
    composed: Any = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    assert set(composed) == {"services", "volumes"}
    (kms,) = composed["services"].values()
    assert (ROOT / "deploy" / kms["build"] / "Dockerfile").is_file()
    assert kms["ports"] == ["127.0.0.1:8480:8480"]
    assert kms["ports"][0].endswith(":" + _of(_stages()[2], "EXPOSE")[0])
    assert [volume.split(":") for volume in kms["volumes"]] == [[*composed["volumes"], "/data"]]
    assert kms["read_only"] is True
    assert kms["cap_drop"] == ["ALL"]
    assert kms["security_opt"] == ["no-new-privileges:true"]
    assert set(kms) <= {
        *("build", "image", "init", "restart", "stop_grace_period", "ports", "volumes"),
        *("read_only", "cap_drop", "security_opt"),
    }


# -- systemd -------------------------------------------------------------------------------------------


def _unit() -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return unit


@pytest.mark.parametrize("abstract", [False, True])
def test_the_unit_s_command_tells_systemd_when_it_is_ready(
    environment: dict[str, str], image: Path, tmp_path: Path, abstract: bool
) -> None:
    service = _unit()["Service"]
    assert service["Type"] == "notify"
    words = service["ExecStart"].replace("/opt/tkms", str(image)).split()
    name = f"@{tmp_path}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(name.replace("@", "\0"))
        told.settimeout(20)
        with _serving({**environment, "NOTIFY_SOCKET": name}, *words, "--port", "0"):
            assert told.recv(100) == b"READY=1"


def test_the_unit_is_ended_as_a_server_that_took_over_can_bear() -> None:
    """Seen with systemd 252: with "mixed" it kills a first process at once that it did not start."""
    service = _unit()["Service"]
    assert (service["KillMode"], service["ExecReload"]) == ("control-group", "/opt/tkms/bin/tkms upgrade")


def test_a_manager_that_is_gone_ends_no_server(environment: dict[str, str]) -> None:
    with _serving({**environment, "NOTIFY_SOCKET": "/nonexistent/notify"}, "tkms", "serve", "--port", "0"):
        assert _out(environment, "tkms", "ready")


def test_the_unit_s_user_is_made_by_the_file_beside_it() -> None:
    service = _unit()["Service"]
    kind, name, number, *_, home = (UNIT.with_suffix(".sysusers")).read_text().split()
    assert (kind, name, number) == ("u", service["User"], "-")
    assert home == f"/var/lib/{service['StateDirectory']}"
    assert service["Environment"] == f"TKMS_DATA_DIR=%S/{service['StateDirectory']}"
    assert service["StateDirectoryMode"] == "0700"


def test_systemd_reads_the_unit(image: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed here: the unit's spelling is not checked (Debian: systemd)")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/tkms", str(image)).replace("User=tenant-kms", "User=root"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.stem in line]) == (0, [])

"""The files of examples/deploy name commands, options, files and versions that there are."""

import re
import shlex
import sys

import pytest
import yaml

from langchain_swallow.cli import _parser
from tests.support.paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEPLOY = ROOT / "examples" / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
WITH_POSTGRES = yaml.safe_load((DEPLOY / "compose.postgres.yaml").read_text("utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
UNITS = sorted(DEPLOY.glob("*.service"))


def unit(path):
    """Setting → value of a unit."""
    text = path.read_text("utf-8").replace("\\\n", " ")
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.M))


def settings(text):
    """Default values in the place of compose's variables, as compose puts them."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.name)
def test_units_run_commands_there_are(path):
    program, *arguments = shlex.split(unit(path)["ExecStart"])
    assert program.endswith("/langchain-swallow")
    _parser().parse_args(arguments)


@pytest.mark.parametrize("name", ["serve", "sync"])
def test_containers_run_commands_there_are(name, monkeypatch):
    monkeypatch.setenv("SWALLOW_INDEX", "/data/index")
    command = [settings(word) for word in COMPOSE["services"][name]["command"]]
    assert _parser().parse_args(command).index.parts[1] == "data"


def test_the_image_serves_and_has_extras_there_are(monkeypatch):
    monkeypatch.setenv("SWALLOW_INDEX", re.search(r"SWALLOW_INDEX=(\S+)", DOCKERFILE)[1])
    (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.M)
    arguments = _parser().parse_args(yaml.safe_load(command))
    assert (str(arguments.index), arguments.port) == ("/data/index", 7860)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = re.search(r"^ARG EXTRAS=(.+)$", DOCKERFILE, re.M)[1].split(",")
    assert set(extras) <= set(project["optional-dependencies"])
    torch = re.search(r"^ARG TORCH=(.+)$", DOCKERFILE, re.M)[1]
    assert f"torch=={torch}" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_image_is_made_of_files_there_are_and_of_no_others():
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M)
        for name in line.split()[:-1]
    ]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    assert sorted(line[1:] for line in ignored if line.startswith("!")) == sorted(copied)


def test_a_stop_takes_longer_than_the_grace_period():
    serve = COMPOSE["services"]["serve"]
    grace_s = _parser().parse_args([*map(settings, serve["command"]), "-i", "x"]).shutdown_grace
    assert int(serve["stop_grace_period"].removesuffix("s")) >= grace_s + 10
    service = unit(DEPLOY / "langchain-swallow.service")
    arguments = _parser().parse_args(shlex.split(service["ExecStart"])[1:])
    assert int(service["TimeoutStopSec"]) >= arguments.shutdown_grace + 10


def test_only_nginx_is_believed_and_reachable():
    services = COMPOSE["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]
    arguments = _parser().parse_args([*map(settings, services["serve"]["command"]), "-i", "x"])
    address = services["nginx"]["networks"]["inside"]["ipv4_address"]
    assert arguments.forwarded_allow_ips == [address]
    assert arguments.trusted_proxy == []


def test_only_serve_reaches_the_database_and_knows_its_password(monkeypatch, tmp_path):
    database, serve = (WITH_POSTGRES["services"][name] for name in ("postgres", "serve"))
    assert "ports" not in database
    assert database["networks"] == ["inside"]
    ((variable, path),) = serve["environment"].items()
    assert path == f"/run/secrets/{serve['secrets'][0]}"
    (tmp_path / "url").write_text("postgresql://swallow:…@postgres/swallow", encoding="utf-8")
    monkeypatch.setenv(variable, str(tmp_path / "url"))
    arguments = _parser().parse_args(["serve", "-i", "x"])
    assert arguments.conversations == "postgresql://swallow:…@postgres/swallow"


@pytest.mark.parametrize("compose", [COMPOSE, WITH_POSTGRES], ids=["compose", "with postgres"])
def test_secrets_are_files_that_are_mounted_and_not_in_the_repository(compose):
    used = {
        secret if isinstance(secret, str) else secret["source"]
        for service in compose["services"].values()
        for secret in service.get("secrets", [])
    }
    assert used == set(compose["secrets"])
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert "/examples/deploy/secrets/" in ignored
    for file in (secret["file"] for secret in compose["secrets"].values()):
        assert file.startswith("./secrets/")


def test_nginx_waits_longer_than_a_request_may_take_and_takes_every_upload():
    nginx = (DEPLOY / "nginx.conf").read_text("utf-8")
    arguments = _parser().parse_args(["serve", "-i", "x"])
    assert int(re.search(r"proxy_read_timeout (\d+)s;", nginx)[1]) > arguments.request_timeout
    largest = arguments.max_files * arguments.max_file_mb
    assert int(re.search(r"client_max_body_size (\d+)m;", nginx)[1]) > largest

"""docker-compose.yaml, held against the programs that it starts.

There is no container engine in the tests: that the images can be pulled and built, and that the services reach each
other, is not shown here.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from distributed import topology
from s3_server import CREDENTIALS

PROJECT = Path(__file__).parent.parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = {name: service for name, service in SERVICES.items() if service.get("network_mode") == "service:emulator"}
RUNNING = [name for name, service in AIRFLOW.items() if service.get("restart") != "no"]
WORKERS = [name for name in RUNNING if name.startswith("worker-")]
ENVIRONMENT: dict[str, str] = COMPOSE["x-airflow"]["environment"]
# Compose Specification: the keys that are used here, with the shape of their values.
SERVICE_KEYS: dict[str, type | tuple[type, ...]] = {
    "image": str,
    "build": dict,
    "entrypoint": list,
    "command": list,
    "environment": dict,
    "volumes": list,
    "ports": list,
    "depends_on": dict,
    "healthcheck": dict,
    "network_mode": str,
    "restart": str,
}
HEALTHCHECK_KEYS = {"test", "interval", "timeout", "retries", "start_period"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def test_only_known_keys_with_values_of_their_type() -> None:
    assert set(COMPOSE) == {"name", "x-airflow", "services", "volumes"}
    for name, service in SERVICES.items():
        for key, value in service.items():
            assert isinstance(value, SERVICE_KEYS[key]), (name, key)
        assert all(isinstance(value, str) for value in service.get("environment", {}).values()), name
        assert all(isinstance(part, str) for part in service.get("command", [])), name
        assert service.get("restart", "no") in ("no", "always", "on-failure", "unless-stopped")
        healthcheck = service.get("healthcheck", {"test": ["CMD"]})
        assert set(healthcheck) <= HEALTHCHECK_KEYS
        assert healthcheck["test"][0] == "CMD"


def test_the_services_are_all_there() -> None:
    assert set(AIRFLOW) == {"init", "bucket", *RUNNING}
    assert set(SERVICES) - set(AIRFLOW) == {"postgres", "redis", "minio", "emulator"}


def test_it_is_what_the_distributed_run_starts() -> None:
    for name, command in topology.COMMANDS.items():
        assert SERVICES[name]["command"][: len(command)] == command
    assert set(RUNNING) == set(topology.COMMANDS)
    assert SERVICES["redis"]["command"] == topology.REDIS
    assert ENVIRONMENT["AIRFLOW__CORE__EXECUTOR"] == topology.SETTINGS["CORE__EXECUTOR"]
    assert ENVIRONMENT["AIRFLOW__CELERY__WORKER_CONCURRENCY"] == topology.SETTINGS["CELERY__WORKER_CONCURRENCY"]


def test_database_and_queue_are_those_of_the_services() -> None:
    postgres = SERVICES["postgres"]["environment"]
    account = f"{postgres['POSTGRES_USER']}:{postgres['POSTGRES_PASSWORD']}"
    database = f"postgresql+psycopg2://{account}@postgres:5432/{postgres['POSTGRES_DB']}"
    assert ENVIRONMENT["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == database
    assert ENVIRONMENT["AIRFLOW__CELERY__RESULT_BACKEND"] == f"db+{database}"
    assert ENVIRONMENT["AIRFLOW__CELERY__BROKER_URL"] == "redis://redis:6379/0"


def test_every_service_that_stays_has_a_health_check_of_its_own() -> None:
    staying = {name: service for name, service in SERVICES.items() if service.get("restart") != "no"}
    # MinIO's image has no program that could ask it; `bucket` does.
    assert [name for name, service in staying.items() if "healthcheck" not in service] == ["minio"]
    checks = [tuple(service["healthcheck"]["test"]) for name, service in staying.items() if name != "minio"]
    assert len(set(checks)) == len(checks)


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_is_asked_by_its_own_name(name: str) -> None:
    *_, option, hostname, _ = SERVICES[name]["command"]
    assert (option, hostname) == ("--celery-hostname", name)
    assert SERVICES[name]["healthcheck"]["test"][-2:] == ["--destination", f"celery@{name}"]


def test_what_a_service_waits_for_can_come_true() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert set(how) == {"condition"}
            assert how["condition"] in CONDITIONS
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], (name, other)
            if how["condition"] == "service_completed_successfully":
                assert SERVICES[other].get("restart") == "no", (name, other)
    for name in SERVICES:
        assert name not in _before(name)


def test_services_in_the_emulators_network_publish_no_ports_themselves() -> None:
    assert [name for name, service in AIRFLOW.items() if "ports" in service] == []
    assert SERVICES["emulator"]["ports"] == ["127.0.0.1:8080:8080"]


def test_mounted_and_copied_paths_exist_and_named_volumes_are_declared() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (PROJECT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], (
                name,
                volume,
            )
    for line in _dockerfile():
        if line.startswith("COPY "):
            *sources, _target = [part for part in shlex.split(line)[1:] if not part.startswith("--")]
            assert all((PROJECT / source).exists() for source in sources)


def test_the_image_is_of_the_airflow_that_the_tests_run_with() -> None:
    from airflow import __version__

    assert _dockerfile()[0].startswith(f"FROM apache/airflow:{__version__}-python3.")
    assert any(f'"apache-airflow=={__version__}"' in line for line in _dockerfile())
    images = {service["image"] for service in [*AIRFLOW.values(), SERVICES["emulator"]]}
    assert images == {f"zdirect-airflow:{__version__}"}


def test_the_image_installs_extras_that_exist() -> None:
    import tomllib

    (extras,) = re.findall(r'--editable "/opt/zdirect\[([a-z0-9,]+)\]"', "\n".join(_dockerfile()))
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


@pytest.mark.parametrize("name", ["init", *(name for name in RUNNING if name not in WORKERS)])
def test_airflow_knows_the_command(name: str) -> None:
    from airflow.cli.cli_parser import get_parser

    get_parser().parse_args(SERVICES[name]["command"])


@pytest.mark.parametrize("name", ["dag-processor", "triggerer"])
def test_airflow_knows_the_health_check(name: str) -> None:
    from airflow.cli.cli_parser import get_parser

    _cmd, program, *arguments = SERVICES[name]["healthcheck"]["test"]
    assert program == "airflow"
    get_parser().parse_args(arguments)


def test_the_emulator_knows_its_options_and_has_the_connections_app() -> None:
    from airflow_provider_zdirect.emulator.__main__ import parser

    emulator = SERVICES["emulator"]
    assert emulator["entrypoint"] == ["python", "-m", "airflow_provider_zdirect.emulator"]
    options = parser().parse_args(emulator["command"])
    connection = json.loads(ENVIRONMENT["AIRFLOW_CONN_ZDIRECT_DEFAULT"])
    assert connection["host"] == f"http://{options.host}:{options.port}"
    assert (connection["login"], connection["password"]) == (options.client_id, options.client_secret)
    assert f"http://{options.host}:{options.port}/_emulator/clock" in emulator["healthcheck"]["test"]


def test_every_setting_is_one_of_airflows() -> None:
    from airflow.configuration import conf

    unknown = []
    for name in ENVIRONMENT:
        # Those of Celery are known where its provider is installed; make test-distributed uses the same.
        if name.startswith("AIRFLOW__") and not name.startswith("AIRFLOW__CELERY__"):
            section, _, option = name.removeprefix("AIRFLOW__").lower().partition("__")
            if option not in conf.configuration_description.get(section, {}).get("options", {}):
                unknown.append(name)
    assert unknown == []
    Fernet(ENVIRONMENT["AIRFLOW__CORE__FERNET_KEY"])


def test_the_ports_that_airflow_listens_at_are_those_that_are_asked() -> None:
    from airflow.configuration import conf

    port = SERVICES["api-server"]["command"][-1]
    assert ENVIRONMENT["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"http://127.0.0.1:{port}/execution/"
    assert SERVICES["api-server"]["healthcheck"]["test"][-1] == f"http://127.0.0.1:{port}/api/v2/version"
    option = "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT"
    usual = conf.get("scheduler", "scheduler_health_check_server_port")
    for name in ("scheduler-1", "scheduler-2"):
        health = SERVICES[name]["environment"].get(option, usual)
        assert SERVICES[name]["healthcheck"]["test"][-1] == f"http://127.0.0.1:{health}/health"


def test_the_client_accepts_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", ENVIRONMENT["AIRFLOW_CONN_ZDIRECT_DEFAULT"])
    assert ZDirectHook().config().address == "http://127.0.0.1:8088"


def test_the_bucket_is_made_and_the_base_path_lies_in_it(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_zdirect.operators.base_path import open_base_path

    connection = json.loads(ENVIRONMENT["AIRFLOW_CONN_AWS_DEFAULT"])
    assert connection["extra"]["endpoint_url"] == "http://minio:9000"
    assert connection["login"] == SERVICES["minio"]["environment"]["MINIO_ROOT_USER"]
    assert connection["password"] == SERVICES["minio"]["environment"]["MINIO_ROOT_PASSWORD"]
    connection["extra"]["endpoint_url"] = s3_endpoint
    connection["login"], connection["password"] = CREDENTIALS["key"], CREDENTIALS["secret"]
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    shell, option, script = SERVICES["bucket"]["command"]
    assert (shell, option) == ("bash", "-c")
    wait, _, make = script.partition(" && ")
    assert wait.startswith("curl ")
    assert wait.endswith(" http://minio:9000/minio/health/ready")
    python, code_option, code = shlex.split(make)
    assert (python, code_option) == ("python", "-c")
    for _again in range(2):
        exec(compile(code, "docker-compose.yaml", "exec"), {})
    assert open_base_path(ENVIRONMENT["ZDIRECT_BASE_PATH"]).root == "zdirect/zfs"


def _dockerfile() -> list[str]:
    text: str = COMPOSE["x-airflow"]["build"]["dockerfile_inline"]
    return text.splitlines()


def _before(name: str) -> set[str]:
    """All services that have to be there before this one."""
    others = set(SERVICES[name].get("depends_on", {}))
    if SERVICES[name].get("network_mode", "").startswith("service:"):
        others.add(SERVICES[name]["network_mode"].partition(":")[2])
    return others.union(*(_before(other) for other in others))

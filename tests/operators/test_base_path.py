"""Where a base path leads: to the folder that its text names, of one environment, by a connection that exists."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from all_tasks import TASKS, needed
from hypothesis import given, settings
from hypothesis import strategies as st
from own_emulator import connection_to

from airflow_provider_zdirect.airflow_sdk import DAG, AirflowFailException
from airflow_provider_zdirect.dag_support import tasks
from airflow_provider_zdirect.exceptions import StorageUnavailableError, ZDirectConfigurationError
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.base_path import open_base_path, open_path
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.order_erasure import ZDirectOrderErasureOperator
from airflow_provider_zdirect.publish.environment import RECORD

WINDOW = {"window_from": "2026-11-10T00:00:00Z", "window_to": "2026-11-11T00:00:00Z"}

WORDS = """
data/zd ./data ../data ~/zd file:data/zd file:/data/zd file:///~/zd /~/zd file:// file:/// /
file://data/zd file://~/zd file://./zd file://localhost/zd FILE://data/zd local://data/zd
s3:// s3:///zd s3:/bucket/zd s3:bucket/zd /s3://bucket/zd s3://s3://bucket/zd file:///s3://bucket/zd
s3://bucket/a/../zd s3://bucket/./zd simplecache::s3://bucket/zd ://bucket/zd
"""
ELSEWHERE = (*WORDS.split(), " s3://bucket/zd", "s3://bucket/zd ", "/data/zd\n", "s3://bucket/a\tb")
PATHS = [
    (operator, name)
    for operator in TASKS
    for name in operator.template_fields
    if name.endswith("_path") or name == "master_data"
]


def test_every_parameter_that_is_a_path_is_among_those_tried() -> None:
    assert {name for _, name in PATHS} == {
        *("base_path", "stock_path", "mapping_path", "updates_path", "orders_path", "master_data"),
        *("items_path", "dispatch_items_path"),
    }


@pytest.mark.parametrize(("operator", "name"), PATHS, ids=lambda each: getattr(each, "__name__", each))
def test_a_path_that_leads_elsewhere_is_refused_at_parse_by_every_parameter(
    operator: type[ZDirectOperator], name: str
) -> None:
    for text in ELSEWHERE:
        text = text if name == "base_path" or text.endswith(("/", " ", "\n", ":")) else f"{text}/a.csv"
        with DAG("a_dag", schedule=None), pytest.raises(ZDirectConfigurationError, match=f"{name}=") as caught:
            operator.partial(task_id="task", **{name: text})
        assert repr(text) in str(caught.value)
        assert caught.value.remedy


def test_and_when_it_runs_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ELSEWHERE:
        with pytest.raises(ZDirectConfigurationError, match="base_path="):
            open_base_path(text)
        with pytest.raises(ZDirectConfigurationError, match="stock_path="):
            open_path(text, name="stock_path")
    assert not list(tmp_path.iterdir())


NAME = st.text(
    st.one_of(st.sampled_from("[]?*#%&+:;@=~ .-$\\"), st.characters(exclude_categories=("Cs",))),
    min_size=1,
    max_size=20,
).filter(lambda name: "/" not in name)


@given(NAME, st.sampled_from(["/data/", "file:///data/", "local:///data/", "s3://bucket/", "s3a://a.bucket/deep/"]))
@settings(max_examples=300)
def test_a_path_is_read_as_it_stands_or_refused(name: str, before: str) -> None:
    try:
        opened = open_path(f"{before}{name}/zd", name="base_path")
    except ZDirectConfigurationError:
        return
    folder = f"{before.rpartition('://')[2]}{name}/zd"
    assert opened.root == folder
    inside = f"{opened.root}/x"
    assert opened.fs._strip_protocol(inside) == inside
    if not before.startswith("s3"):
        return
    bucket, _, key = inside.partition("/")
    assert opened.fs.split_path(inside)[:2] == (bucket, key)


@pytest.mark.parametrize(
    "name", ["a b", "ERP [prod]", "a?b", "a?", "a#b", "a*", "100%", "a%20b", "a+b", "ü 東京", "a::b"]
)
@pytest.mark.parametrize("before", ["file://", ""])
def test_a_local_base_path_may_have_any_name(name: str, before: str, tmp_path: Path) -> None:
    open_base_path(f"{before}{tmp_path}/{name}/zd", environment="production")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "zd" / RECORD).is_file()


@pytest.mark.parametrize(
    ("base_path", "storage_conn_id", "named"),
    [
        ("s3://bucket/zd", "no_such_storage", "storage_conn_id='no_such_storage'"),
        ("s3://no_such_storage@bucket/zd", None, "base_path='s3://no_such_storage@bucket/zd'"),
        ("/data/zd", "no_such_storage", "storage_conn_id='no_such_storage'"),
    ],
)
def test_a_storage_connection_that_does_not_exist_is_named_and_not_tried_again(
    base_path: str, storage_conn_id: str | None, named: str, emulator: Any, context: Any
) -> None:
    task = ZDirectExtractOperator(
        task_id="task", dataset="returned_items", base_path=base_path, storage_conn_id=storage_conn_id, **WINDOW
    )
    with pytest.raises(AirflowFailException) as caught:
        task.execute(context)
    assert named in str(caught.value)
    assert "the storage connection 'no_such_storage' does not exist" in str(caught.value)
    assert "AIRFLOW_CONN_NO_SUCH_STORAGE" in str(caught.value)
    assert not emulator.requests


def test_a_storage_endpoint_that_refuses_is_named_with_address_and_connection(
    emulator: Any, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    quick = {"retries": {"max_attempts": 1}, "connect_timeout": 1}
    extra = {"endpoint_url": url, "region_name": "us-east-1", "config_kwargs": quick}
    storage = {"conn_type": "aws", "login": "testing", "password": "testing-secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_REFUSING_STORAGE", json.dumps(storage))
    task = ZDirectExtractOperator(
        task_id="task",
        dataset="returned_items",
        base_path="s3://bucket/zd",
        storage_conn_id="refusing_storage",
        deferrable=False,
        **WINDOW,
    )
    with pytest.raises(StorageUnavailableError) as caught:
        task.execute(context)
    assert "storage connection 'refusing_storage'" in str(caught.value)
    assert f"endpoint {url}" in str(caught.value)
    assert "testing-secret" not in str(caught.value)
    assert not emulator.requests


@pytest.fixture
def sandbox(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The connection is for the sandbox."""
    extra = {"environment": "sandbox", "merchant_id": emulator.merchant_ids[0]}
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection_to(emulator, extra=extra)))
    return emulator


def test_no_operator_writes_to_a_base_path_of_another_environment(sandbox: Any, context: Any, tmp_path: Path) -> None:
    open_base_path(str(tmp_path), environment="production")
    more = {**WINDOW, "month": "2026-10"}
    writers = [operator for operator in TASKS if "base_path" in operator.arguments]
    assert len(writers) == 12
    for operator in writers:
        given = {name: value for name, value in more.items() if name in operator.arguments}
        task = operator(task_id="task", **needed(operator, str(tmp_path)), **given)
        said = "belongs to production, and the zDirect connection is for sandbox"
        with pytest.raises(AirflowFailException, match=said):
            task.execute(context)
    assert not sandbox.requests
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()] == [Path(RECORD)]


def test_the_first_run_of_an_operator_writes_the_environment_of_its_connection_down(
    sandbox: Any, context: Any, tmp_path: Path
) -> None:
    ZDirectOrderErasureOperator(task_id="task", base_path=str(tmp_path)).execute(context)
    assert json.loads((tmp_path / RECORD).read_text()) == {"environment": "sandbox"}


def test_nor_do_the_tasks_of_the_dags_read_it(sandbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_base_path(str(tmp_path), environment="production")
    params = {
        "conn_id": "zdirect_default",
        "base_path": str(tmp_path),
        "tours_by": "advice",
        "merchant_ids": sandbox.merchant_ids,
    }
    monkeypatch.setattr(tasks, "get_current_context", lambda: {"params": params})
    for task in (tasks.merchants_to_erase_from, lambda: tasks.advices_to_track.function("x")):
        with pytest.raises(AirflowFailException, match="belongs to production"):
            getattr(task, "function", task)()


def test_tasks_that_only_read_a_base_path_leave_nothing_there_and_are_refused_as_well(tmp_path: Path) -> None:
    open_base_path(str(tmp_path), environment="sandbox", writes=False)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with pytest.raises(ZDirectConfigurationError, match="cannot be written to"):
        open_base_path("/proc/zdirect", environment="sandbox", writes=False)
    open_base_path(str(tmp_path), environment="production")
    with pytest.raises(ZDirectConfigurationError, match="belongs to production"):
        open_base_path(str(tmp_path), environment="sandbox", writes=False)

from __future__ import annotations

import json
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from airflow.providers_manager import ProvidersManager
from all_tasks import TASKS, needed
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators import links
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.links import LINKS, console_page, files_page, result_files

NAMES = ["Published files", "Manifest", "Rejected records", "zDirect portal"]
KEYS = st.text(st.characters(exclude_categories=("C",), exclude_characters="/"), min_size=1, max_size=20)


def test_airflow_knows_the_links_and_every_operator_shows_them():
    known = ProvidersManager().extra_links_class_names
    assert {f"{link.__module__}.{link.__qualname__}" for link in LINKS} == {
        name for name in known if name.startswith("airflow_provider_zdirect")
    }
    with DAG("a_dag", schedule=None):
        for task in TASKS:
            if issubclass(task, ZDirectOperator):
                made = task(task_id=task.__name__, **needed(task))
                assert [link.name for link in made.operator_extra_links] == NAMES


@given(st.lists(KEYS, min_size=1, max_size=4))
def test_a_console_page_names_the_bucket_and_the_whole_path(keys):
    path = "/".join(keys)
    page = urlsplit(console_page(f"s3://my_aws@a-bucket/{path}", is_folder=True))
    assert (page.scheme, page.netloc, page.path) == ("https", "s3.console.aws.amazon.com", "/s3/buckets/a-bucket")
    assert parse_qs(page.query, keep_blank_values=True)["prefix"] == [path.rstrip("/") + "/"]
    page = urlsplit(console_page(f"gs://a-bucket/{path}", is_folder=False))
    assert unquote(page.path) == f"/storage/browser/_details/a-bucket/{path}"


@pytest.mark.parametrize("uri", ["file:///data/x", "abfs://container@account/x", "s3://bucket", "javascript:alert(1)"])
def test_other_storages_have_no_console_page(uri):
    assert console_page(uri, is_folder=True) is None


def test_a_secret_in_a_uri_is_not_in_the_link():
    assert "secret" not in console_page("s3://key:secret@bucket/x", is_folder=False)


def test_the_page_of_a_task_keeps_to_its_task_instance():
    key = SimpleNamespace(dag_id="a", run_id="manual__2026-11-28T07:00:00+00:00/../x", task_id="t", map_index=3)
    path = urlsplit(files_page(key)).path
    assert path == "/zdirect/files/a/manual__2026-11-28T07%3A00%3A00%2B00%3A00%2F..%2Fx/t/3"


@pytest.mark.parametrize("result", [None, "text", 7, {}, {"uri": None, "manifest": 5, "rejected_uri": ""}])
def test_a_result_without_files_has_no_links(result):
    assert result_files(result) == {}


@pytest.mark.parametrize("extra", [{"endpoint_url": "http://minio"}, {"service_config": {"s3": {"endpoint_url": "x"}}}])
def test_a_bucket_that_is_not_at_aws_is_not_looked_for_there(extra, monkeypatch):
    connection = {"conn_type": "aws", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MINIO", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_REAL", json.dumps({"conn_type": "aws"}))
    assert links._has_own_endpoint(SimpleNamespace(storage_conn_id="minio"), "s3://bucket/x")
    assert links._has_own_endpoint(SimpleNamespace(storage_conn_id=None), "s3://minio@bucket/x")
    for conn_id in ("real", "{{ params.x }}", None):
        assert not links._has_own_endpoint(SimpleNamespace(storage_conn_id=conn_id), "s3://bucket/x")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://minio")
    assert links._has_own_endpoint(SimpleNamespace(storage_conn_id=None), "s3://bucket/x")

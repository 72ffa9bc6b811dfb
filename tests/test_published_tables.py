"""Every table that is published can be read as it lies, by every reader that people use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from published_tables import TABLES, publish_everything

from airflow_provider_zdirect.datasets.arrow import PARTITIONS
from airflow_provider_zdirect.operators.lineage import columns_of

DOCUMENTS = {"shipping_documents"}
"""A folder of documents, which is no table."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published") / "zdirect"
    publish_everything(root)
    return root


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def folders(path: Path, folder: Path) -> dict[str, str]:
    """Names and values of the folders that a file lies in."""
    return dict(part.split("=", 1) for part in path.relative_to(folder).parts[:-1])


def test_what_is_published_are_the_tables_and_every_one_of_them(root: Path) -> None:
    there = {path.name for path in root.iterdir() if not path.name.startswith("_")}
    assert there == TABLES | DOCUMENTS
    assert not [path for name in DOCUMENTS for path in files(root / name) if path.suffix == ".parquet"]


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_reader_reads_every_table_as_it_lies(root: Path, table: str) -> None:
    folder = root / table
    there = files(folder)
    assert {path.suffix for path in there} == {".parquet"}
    rows: Counter[str] = Counter()
    for path in there:
        rows[folders(path, folder)["merchant_id"]] += pq.read_metadata(path).num_rows
    assert rows.total() > 0
    for merchants in read(folder):
        assert Counter(map(str, merchants)) == rows


def read(folder: Path) -> Iterator[list[Any]]:
    """The merchant of every row, by each reader."""
    yield pandas.read_parquet(folder)["merchant_id"].tolist()
    yield pyarrow.dataset.dataset(folder, partitioning="hive").to_table().column("merchant_id").to_pylist()
    yield polars.read_parquet(folder, hive_partitioning=True)["merchant_id"].to_list()
    lake = duckdb.sql(f"SELECT merchant_id, * FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true)")
    yield [row[0] for row in lake.fetchall()]


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_table_has_one_schema_that_spark_and_glue_take(root: Path, table: str) -> None:
    folder = root / table
    schemas = [pq.read_schema(path).remove_metadata() for path in files(folder)]
    assert all(schema.equals(schemas[0]) for schema in schemas)
    partitions = {name for path in files(folder) for name in folders(path, folder)}
    assert not partitions & {name.lower() for name in schemas[0].names}
    # The partitions of the models' tables, by which their columns are renamed.
    assert partitions <= PARTITIONS or table == "intrastat"
    check(list(schemas[0]))
    # As lineage describes it.
    assert schemas[0].equals(columns_of(table))


def check(fields: list[pa.Field]) -> None:
    names = [field.name.lower() for field in fields]
    assert len(names) == len(set(names)) > 0
    for field in fields:
        kind = field.type
        while pa.types.is_list(kind):
            kind = kind.value_type
        if pa.types.is_struct(kind):
            check(list(kind))
        elif pa.types.is_timestamp(kind):
            assert kind == pa.timestamp("us", "UTC")
        else:
            taken = (pa.string(), pa.int64(), pa.int32(), pa.float64(), pa.bool_(), pa.date32())
            assert kind in taken or pa.types.is_decimal128(kind)


def test_what_the_api_calls_like_a_folder_is_kept_under_another_name(root: Path) -> None:
    """Nothing is lost, and ``merchant_id`` is what the folder says."""
    for table in ("orders", "orders_current", "liquidated_items", "order_deletion_requests"):
        rows = pandas.read_parquet(root / table)
        assert rows["api_merchant_id"].notna().all()
        assert (rows["api_merchant_id"] == rows["merchant_id"].astype(str)).all()

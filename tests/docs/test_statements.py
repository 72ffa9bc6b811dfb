"""The statements of external tables fit the files that are published.

Those for DuckDB are executed. The others are parsed in the engine's dialect, and every column is compared, because none
of these engines runs here.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from code_blocks import ROOT
from published_tables import OF_DATASETS
from sqlglot import exp

from airflow_provider_zdirect.datasets.table import DATASETS

STATEMENTS = ROOT / "docs" / "ddl"
TABLES = {*DATASETS, *OF_DATASETS.values()}
FOLDERS = [("merchant_id", "text"), ("date", "date")]
ENGINES = ("athena", "bigquery", "spark", "trino")

KINDS = {
    "VARCHAR": "text",
    "TEXT": "text",
    "BIGINT": "int64",
    "BOOLEAN": "bool",
    "DOUBLE": "double",
    "DATE": "date",
    "TIMESTAMP": "instant",
    "TIMESTAMPTZ": "instant",
    "DECIMAL": "decimal",
    "BIGDECIMAL": "decimal",
}
"""What sqlglot calls the types, and what they are."""


def in_files(kind: pa.DataType) -> object:
    """An Arrow type, in the words of ``KINDS``; a list as a pair, a struct as a list of its members."""
    if pa.types.is_list(kind):
        return ("list", in_files(kind.value_type))
    if pa.types.is_struct(kind):
        return [(member.name, in_files(member.type)) for member in kind]
    if pa.types.is_decimal(kind):
        return "decimal"
    return {"string": "text", "date32[day]": "date", "timestamp[us, tz=UTC]": "instant"}.get(str(kind), str(kind))


def in_statement(kind: exp.Expression) -> object:
    assert isinstance(kind, exp.DataType), kind
    if kind.this == exp.DataType.Type.ARRAY:
        return ("list", in_statement(kind.expressions[0]))
    if kind.this == exp.DataType.Type.STRUCT:
        return [(member.name, in_statement(member.args["kind"])) for member in kind.expressions]
    return KINDS[kind.this.value]


def columns(engine: str, statement: str) -> list[tuple[str, object]]:
    folders = re.search(r"WITH PARTITION COLUMNS \((.*?)\)\n", statement, re.DOTALL)
    if folders:  # which sqlglot does not know
        statement = statement.replace(folders[0], "")
        statement = statement.replace("\n)\n", f",\n{folders[1]})\n", 1)
    created = sqlglot.parse_one(statement, dialect=engine)
    assert isinstance(created, exp.Create), statement
    definitions = [*created.find_all(exp.ColumnDef)]
    nested = {id(one) for struct in created.find_all(exp.DataType) for one in struct.find_all(exp.ColumnDef)}
    return [(one.name, in_statement(one.args["kind"])) for one in definitions if id(one) not in nested]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_columns_of_an_engine_are_those_of_the_published_files(engine: str, everything: Path) -> None:
    text = (STATEMENTS / f"{engine}.sql").read_text(encoding="utf-8")
    statements = [one.strip() for one in re.split(r";\n", re.sub("^--.*\n", "", text)) if one.strip()]
    created, others = [], []
    for statement in statements:
        (created if re.match(r"CREATE (OR REPLACE )?(EXTERNAL )?TABLE", statement) else others).append(statement)
    assert {re.sub(r"\W.*", "", one) for one in others} <= {"CREATE", "MSCK", "CALL"}
    found = {re.search(r"zdirect`?\.`?(\w+)", one)[1]: columns(engine, one) for one in created}
    assert found.keys() == TABLES
    for table, written in found.items():
        file = next((everything / "zdirect" / table).rglob("*.parquet"))
        expected = [(field.name, in_files(field.type)) for field in pq.read_schema(file)]
        assert sorted(map(str, written)) == sorted(map(str, [*expected, *FOLDERS])), table
        assert f"my-bucket/zdirect/{table}" in created[[*found].index(table)]


def test_the_views_of_duckdb_read_every_table(everything: Path) -> None:
    text = (STATEMENTS / "duckdb.sql").read_text(encoding="utf-8")
    with duckdb.connect() as lake:
        lake.execute(text.replace("s3://my-bucket", str(everything)))
        views = {row[0] for row in lake.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
        assert views == TABLES
        for view in views:
            (count,) = lake.execute(f"SELECT count(*) FROM {view} WHERE merchant_id IS NOT NULL").fetchone()
            files = (everything / "zdirect" / view).rglob("*.parquet")
            assert count == sum(pq.read_metadata(file).num_rows for file in files), view

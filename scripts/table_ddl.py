"""docs/ddl/*.sql: statements that make external tables of the published folders, from the Arrow schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.datasets.publication import History
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.publish.history import VALID_FROM, VALID_TO

HEADER = "-- Generated from the datasets table by make docs; do not edit. docs/reading.md says how to use it.\n"


@dataclass(frozen=True)
class Engine:
    """How an engine writes a table.

    :param types: names of the Arrow types; ``list`` and ``struct`` are templates.
    :param member: template of a struct's member.
    :param quote: of a name.
    :param statement: template of a table with ``table`` and ``columns``.
    :param begin: statement that comes before all.
    """

    types: Mapping[str, str]
    member: str
    quote: str
    statement: str
    begin: str

    def type(self, kind: pa.DataType) -> str:
        if pa.types.is_list(kind):
            return self.types["list"].format(self.type(kind.value_type))
        if pa.types.is_struct(kind):
            members = (self.member.format(name=one.name, type=self.type(one.type)) for one in kind)
            return self.types["struct"].format(", ".join(members))
        return self.types[str(kind)]

    def table(self, name: str, schema: pa.Schema) -> str:
        columns = (f"  {self.quote}{one.name}{self.quote} {self.type(one.type)}" for one in schema)
        return self.statement.format(table=name, columns=",\n".join(columns))


HIVE = {
    "string": "string",
    "int64": "bigint",
    "double": "double",
    "bool": "boolean",
    "timestamp[us, tz=UTC]": "timestamp",
    "date32[day]": "date",
    "decimal128(38, 18)": "decimal(38,18)",
    "list": "array<{}>",
    "struct": "struct<{}>",
}

ENGINES = {
    "athena": Engine(
        HIVE,
        "`{name}`:{type}",
        "`",
        """\
CREATE EXTERNAL TABLE zdirect.{table} (
{columns}
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/{table}/';
MSCK REPAIR TABLE zdirect.{table};
""",
        begin="CREATE DATABASE IF NOT EXISTS zdirect;\n",
    ),
    "trino": Engine(
        {
            **HIVE,
            "string": "varchar",
            "timestamp[us, tz=UTC]": "timestamp",
            "list": "array({})",
            "struct": "row({})",
        },
        '"{name}" {type}',
        '"',
        """\
CREATE TABLE hive.zdirect.{table} (
{columns},
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/{table}/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', '{table}', 'FULL');
""",
        begin="CREATE SCHEMA IF NOT EXISTS hive.zdirect;\n",
    ),
    "spark": Engine(
        HIVE,
        "`{name}`: {type}",
        "`",
        """\
CREATE TABLE zdirect.{table} (
{columns},
  `merchant_id` string,
  `date` date
)
USING parquet
PARTITIONED BY (`merchant_id`, `date`)
LOCATION 's3a://my-bucket/zdirect/{table}/';
MSCK REPAIR TABLE zdirect.{table};
""",
        begin="CREATE DATABASE IF NOT EXISTS zdirect;\n",
    ),
    "bigquery": Engine(
        {
            "string": "STRING",
            "int64": "INT64",
            "double": "FLOAT64",
            "bool": "BOOL",
            "timestamp[us, tz=UTC]": "TIMESTAMP",
            "date32[day]": "DATE",
            "decimal128(38, 18)": "BIGNUMERIC",
            "list": "ARRAY<{}>",
            "struct": "STRUCT<{}>",
        },
        "`{name}` {type}",
        "`",
        """\
CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`{table}` (
{columns}
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/{table}/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/{table}',
  enable_list_inference = TRUE
);
""",
        begin="CREATE SCHEMA IF NOT EXISTS `zdirect`;\n",
    ),
}

DUCKDB = """\
CREATE VIEW {table} AS
FROM read_parquet('s3://my-bucket/zdirect/{table}/**/*.parquet', hive_partitioning = true);
"""


def tables() -> Iterator[tuple[str, pa.Schema]]:
    """Every published table of a dataset, with the columns of its files."""
    for name, dataset in DATASETS.items():
        schema = arrow_schema(dataset.model)
        has_latest = isinstance(dataset.publish, History) or dataset.of_latest()
        if isinstance(dataset.publish, History):
            schema = pa.schema([*schema, *(pa.field(bound, INSTANT) for bound in (VALID_FROM, VALID_TO))])
        yield name, schema
        if has_latest:
            yield f"{name}_current", schema


def ddl() -> dict[str, str]:
    """The files' texts by their names under docs."""
    files = {
        f"ddl/{name}.sql": "\n".join([HEADER, engine.begin, *(engine.table(*table) for table in tables())])
        for name, engine in ENGINES.items()
    }
    return {**files, "ddl/duckdb.sql": "\n".join([HEADER, *(DUCKDB.format(table=name) for name, _ in tables())])}

"""Asking questions about Arrow tables in SQL."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.publish.read import connection


def ask(sql: str, parameters: dict[str, Any] | None = None, **tables: pa.Table) -> pa.Table:
    """The answer of an SQL query (DuckDB's dialect) over tables in memory; null is a value, and the last in an order.

    :param parameters: values of ``$name`` in the query; :param tables: by the name that the query uses.
    """
    with connection() as database:
        for name, table in tables.items():
            database.register(name, table)
        return database.sql(sql, params=parameters).to_arrow_table()

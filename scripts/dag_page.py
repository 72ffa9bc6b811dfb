"""docs/dags.md: every example DAG with its text, schedule, tasks and parameters, from the DAG files."""

from __future__ import annotations

import os
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

INTRODUCTION = """\
# DAGs

Generated from the DAG files by `make docs`; do not edit.

The provider comes with these DAGs. Copy what you need into your DAGs folder, and unpause it. Each works for every
merchant of the connection, and shows its parameters as a form when you trigger it. `ZDIRECT_<PARAMETER>` in the
environment of Airflow sets a default for all DAGs (`ZDIRECT_BASE_PATH=s3://my-bucket/zdirect`); windows with
their `max_rejected`, months, datasets and paths have none.
[Parameters](parameters.md) describes lists, durations and the rules for backfills.

"""
WINDOW = ("from", "to", "max_rejected")
PLACE = ("conn_id", "base_path", "merchant_ids")
MORE = {
    "zdirect_backfill": "[Backfill](backfill.md)",
    "zdirect_compact": "[Compaction](exactly-once.md#compaction)",
    "zdirect_cross_border_daily": "[Movement reports](movement-reports.md)",
    "zdirect_icm_daily": "[Movement reports](movement-reports.md)",
    "zdirect_intrastat_monthly": "[Movement reports](movement-reports.md)",
    "zdirect_inventory": "[Inventory](inventory.md)",
    "zdirect_liquidation": "[Liquidation](liquidation.md)",
    "zdirect_order_tracking": "[Order updates](order-updates.md)",
    "zdirect_orders": "[Orders](orders.md), [Personal data](personal-data.md)",
    "zdirect_reference_data": "[Inventory](inventory.md)",
    "zdirect_shipping_notices": "[Inbound](inbound.md)",
    "zdirect_stock_movements": "[Windows](windows.md), [Exactly once](exactly-once.md)",
    "zdirect_stock_sync": "[Stock](stocks.md)",
}


def dags() -> str:
    # Importing Airflow makes a home where it has none.
    os.environ.setdefault("AIRFLOW_HOME", str(ROOT / "build" / "airflow"))
    for variable in [name for name in os.environ if name.startswith("ZDIRECT_")]:
        del os.environ[variable]
    all_dags = [runpy.run_path(str(path))["dag"] for path in sorted((ROOT / "dags").glob("zdirect_*.py"))]
    by_id = {dag.dag_id: dag for dag in all_dags}
    shared = by_id["zdirect_stock_movements"].params
    lines = [
        INTRODUCTION.rstrip("\n"),
        "",
        "## Parameters that they share",
        "",
        *_table((name, shared.get_param(name)) for name in PLACE),
        "",
        "The DAGs that fetch windows also have these; with `from` and `to` empty, a run fetches its data interval:",
        "",
        *_table((name, shared.get_param(name)) for name in WINDOW),
        "",
        *(line for dag in all_dags for line in _section(dag)),
    ]
    return "\n".join(lines)


def _section(dag: Any) -> Iterator[str]:
    title, _, text = dag.doc_md.strip().partition("\n")
    yield from (f"## `{dag.dag_id}`", "", f"**{title.lstrip('# ')}.**", "", _linked(text.strip()), "")
    yield from ("| | |", "|---|---|", f"| schedule | {_schedule(dag)} |")
    yield f"| runs at once | {dag.max_active_runs} |"
    yield from (f"| tasks | {', '.join(f'`{task}`' for task in dag.task_ids)} |", "")
    shared = (*PLACE, *WINDOW) if "from" in dag.params else PLACE
    own = [(name, dag.params.get_param(name)) for name in dag.params if name not in shared]
    if own:
        yield from (*_table(own), "")
    if "from" in dag.params:
        yield from ("By hand, for another time than the last one:", "", "```sh", _trigger(dag), "```", "")
    if dag.dag_id in MORE:
        yield from (f"More: {MORE[dag.dag_id]}.", "")


def _table(params: Any) -> Iterator[str]:
    yield from ("| parameter | default | meaning |", "|---|---|---|")
    for name, param in params:
        yield f"| `{name}` | {_default(param.value)} | {param.description.replace('<', '&lt;')} |"


def _default(value: Any) -> str:
    if value in (None, "", []):
        return "empty"
    home = os.path.abspath(os.path.expanduser(os.environ.get("AIRFLOW_HOME", "~/airflow")))
    return f"`{str(value).replace(home, '$AIRFLOW_HOME')}`"


def _schedule(dag: Any) -> str:
    expression = getattr(dag.timetable, "_expression", None)
    return f"`{expression}` (UTC)" if expression else "once a month is complete; before Airflow 3.3, on the 7th"


def _trigger(dag: Any) -> str:
    hourly = str(getattr(dag.timetable, "_expression", "")).endswith("* * * *")
    start, end = ("2026-11-20T10", "2026-11-20T11") if hourly else ("2026-11-20T00", "2026-11-21T00")
    start, end = f"{start}:00:00Z", f"{end}:00:00Z"
    return f"""airflow dags trigger {dag.dag_id} --conf '{{"from": "{start}", "to": "{end}"}}'"""


def _linked(text: str) -> str:
    return re.sub(r"`docs/([\w-]+)\.md`", r"[\1](\1.md)", text)

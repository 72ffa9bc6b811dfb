"""Coverage reports with planted gaps, in the form of ``coverage.json``."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

NOW = datetime(2026, 11, 29, 12, 20, tzinfo=UTC)
HOUR_DATASETS = ("received_items", "returned_items", "liquidated_items", "orders", "announced_returns")
DAY_DATASETS = ("intra_community_movements", "cross_border_movements")
GAP_LETTERS = {"missing": "M", "lost": "X", "uncertain": "E"}


def merchant_id(number: int) -> str:
    return f"1a2b3c4d-0000-4000-8000-{number:012d}"


def made_report(
    seed: int = 1,
    *,
    merchants: int = 3,
    datasets: tuple[str, ...] = HOUR_DATASETS + DAY_DATASETS,
    days: int = 100,
    chance: float = 0.01,
    names: tuple[str | None, ...] = ("shop-de", "shop-fr", None),
) -> dict[str, Any]:
    """A report in which a part of the days, ``chance``, has a gap; the others are landed, mostly."""
    random_ = random.Random(seed)
    until = NOW.date() + timedelta(days=1)
    rows = [
        made_row(
            random_,
            merchant_id(number),
            names[number % len(names)],
            dataset,
            until - timedelta(days=days),
            until,
            chance,
        )
        for number in range(1, merchants + 1)
        for dataset in datasets
    ]
    return report_of(rows, until - timedelta(days=days), until)


def report_of(rows: list[dict[str, Any]], start: date, until: date) -> dict[str, Any]:
    return {
        "format": 1,
        "made_at": NOW.isoformat(),
        "base_path": "s3://lake/zdirect",
        "environment": "production",
        "conn_id": "zdirect_default",
        "warn_days": 14,
        "grace_hours": 24,
        "from": start.isoformat(),
        "to": until.isoformat(),
        "others": [],
        "rows": rows,
    }


def made_row(
    random_: random.Random, merchant: str, name: str | None, dataset: str, start: date, until: date, chance: float
) -> dict[str, Any]:
    hourly = dataset not in DAY_DATASETS
    letters: dict[str, str] = {}
    row: dict[str, Any] = {
        "merchant_id": merchant,
        "merchant": name,
        "dataset": dataset,
        "title": dataset.replace("_", " ").capitalize(),
        "step": "hour" if hourly else "day",
        "timezone": "UTC",
        "retention": "100 days",
        "days": letters,
        "gaps": [],
        "rejected": [],
    }
    for number in range((until - start).days):
        day = start + timedelta(days=number)
        first = datetime.combine(day, time(), tzinfo=UTC)
        text = ["L"] * (24 if hourly else 1)
        if day == NOW.date():
            text = [*text[:11], "P", *"." * 12] if hourly else ["P"]
        elif random_.random() < chance:
            begin, end = sorted(random_.sample(range(25), 2)) if hourly else (0, 24)
            lost = number < 2
            status = "lost" if lost else "missing" if hourly else random_.choice(["missing", "uncertain"])
            text[begin : end if hourly else 1] = [GAP_LETTERS[status]] * (end - begin if hourly else 1)
            add_gap(row, first + timedelta(hours=begin), first + timedelta(hours=end), status, float(number), random_)
        elif random_.random() < chance and hourly:
            at = random_.randrange(24)
            text[at] = "R"
            hour = first + timedelta(hours=at)
            row["rejected"].append(
                {
                    "from": hour.isoformat(),
                    "to": (hour + timedelta(hours=1)).isoformat(),
                    "records": random_.randint(1, 9),
                    "uri": f"s3://lake/zdirect/_rejected/{dataset}/merchant_id={merchant}/{hour:%Y%m%dT%H}.jsonl",
                }
            )
        elif random_.random() < chance:
            text = ["F"] * len(text)
        letters[day.isoformat()] = "".join(text)
    return row


def add_gap(
    row: dict[str, Any], start: datetime, end: datetime, status: str, days_left: float, random_: random.Random
) -> None:
    conf = {
        "dataset": row["dataset"],
        "from": start.isoformat(),
        "to": end.isoformat(),
        "merchant_ids": [row["merchant_id"]],
        "base_path": "s3://lake/zdirect",
        "conn_id": "zdirect_default",
    }
    command = f"airflow dags trigger zdirect_backfill --conf '{json.dumps(conf)}'"
    row["gaps"].append(
        {
            "from": start.isoformat(),
            "to": end.isoformat(),
            "status": status,
            "started": random_.random() < 0.2,
            "days_left": None if status == "lost" else days_left,
            "urgent": status == "missing" and days_left <= 14,
            "fill": None if status == "lost" else {"dag_id": "zdirect_backfill", "conf": conf, "command": command},
        }
    )

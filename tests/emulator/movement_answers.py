"""Asking an emulator for reports of movements, and what should be in the answers."""

from __future__ import annotations

from typing import Any

import httpx

from airflow_provider_zdirect.emulator.server import EmulatorServer

ICM, CROSS_BORDER = "/zfs/intra-community-movements", "/zfs/cross-border-movements"
WITHOUT_PREFIX = "/intra-community-movements"
AT_ONCE = "/zfs/stock-movements/intra-community-movements"
DATASET = {
    ICM: "intra_community_movements",
    AT_ONCE: "intra_community_movements",
    CROSS_BORDER: "cross_border_movements",
}
DATES = {"from": "2026-02-20", "to": "2026-03-05"}
AFTER = "2026-03-06"


def get(api: httpx.Client, path: str, merchant_id: str, **query: Any) -> httpx.Response:
    return api.get(f"{path}/{merchant_id}", params=query)


def body(api: httpx.Client, path: str, merchant_id: str, **query: Any) -> dict[str, Any]:
    answer = get(api, path, merchant_id, **query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def pages(
    api: httpx.Client, path: str, merchant_id: str, cursor: str | None = None, **query: Any
) -> list[dict[str, Any]]:
    found = []
    while True:
        answer = body(api, path, merchant_id, **query, **({"cursor": cursor} if cursor else {}))
        found.append(answer)
        assert answer.get("next") != cursor or not cursor
        cursor = answer.get("next")
        if not cursor:
            return found


def flat(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"transaction_date": g["transaction_date"], **movement} for g in groups for movement in g["movements"]]


def truth(server: EmulatorServer, path: str, start: str = DATES["from"], end: str = AFTER) -> list[dict[str, Any]]:
    """As the path shows it: the answers of Intra-Community Movements do not repeat the report date."""
    rows = server.truth(DATASET[path], server.merchant_ids[0], start, end)
    if path == CROSS_BORDER:
        return rows
    return [{name: value for name, value in row.items() if name != "report_date"} for row in rows]


def shown(api: httpx.Client, server: EmulatorServer, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = body(api, path, server.merchant_ids[0], **query)
    if path == CROSS_BORDER:
        found: list[dict[str, Any]] = answer["items"]
        return found
    return flat(answer["reports" if path == AT_ONCE else "items"])

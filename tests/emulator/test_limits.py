"""Limits of each operation for itself, in both environments; that they reach the client is shown elsewhere."""

from __future__ import annotations

import httpx
import pytest

from airflow_provider_zdirect.emulator.limits import LIMITS, limit_of
from airflow_provider_zdirect.emulator.server import EmulatorServer

DATES, TIMES = "?from=2026-03-01&to=2026-03-02", "?from=2026-03-01T00:00:00Z&to=2026-03-01T01:00:00Z"
# One request for each operation; ``{m}`` is the merchant, ``{n}`` a notice, ``{o}`` an order.
REQUESTS = {
    "returned-items": f"/zfs/stock-movements/returned-items/{{m}}{TIMES}",
    "received-items": f"/zfs/stock-movements/reports/received-items/{{m}}{TIMES}",
    "liquidated-items": f"/zfs/stock-movements/liquidated-items/{{m}}{DATES}",
    "intra-community-movements": f"/zfs/intra-community-movements/{{m}}{DATES}",
    "cross-border-movements": f"/zfs/cross-border-movements/{{m}}{DATES}",
    "item-quantities": "/zfs/item-quantities/{m}?eans=4006381333931",
    "item-quantity-snapshots": "/zfs/item-quantity-snapshots/{m}",
    "stock-locations": "/zfs/stock-locations",
    "sales-channels": "/sales-channels?merchant_ids={m}",
    "logistic-centers": "/merchants/{m}/logistic-centers",
    "shipping-notices": "/zfs/shipping-notices",
    "shipping-notice": "/zfs/shipping-notices/{n}",
    "announced-item-sets": "/zfs/shipping-notices/{n}/announced-item-sets",
    "dispatch-item-sets": "/zfs/shipping-notices/{n}/dispatch-item-sets",
    "tours": "/zfs/tours",
    "orders": "/merchants/{m}/orders",
    "orders-by-number": "/merchants/{m}/orders?order_number=1",
    "order-items": "/merchants/{m}/orders/{o}/items",
    "orders-deletion-requests": "/merchants/{m}/orders-deletion-requests",
    "orders-other": "/merchants/{m}/orders/{o}",
    "shipping-documents": "/zss/shipping-documents?order_id={o}",
}


@pytest.mark.parametrize("operation", REQUESTS)
def test_one_request_more_than_documented_is_refused_until_the_time_is_over(
    server: EmulatorServer, api: httpx.Client, operation: str
) -> None:
    merchant = server.merchant_ids[0]
    ids = {"m": merchant, "n": server.notices(merchant)[0]["id"], "o": server.orders(merchant)[0]["order_id"]}
    path = REQUESTS[operation].format(**ids)
    limit = LIMITS[operation]
    for _ in range(limit.requests):
        assert server.state.limiter.refusal(operation, limit) is None
    answer = api.get(path)
    assert answer.status_code == 429
    assert answer.headers["X-Rate-Limit"] == str(limit.requests)
    assert 1 <= int(answer.headers["Retry-After"]) <= limit.seconds
    server.clock.advance(limit.seconds)
    assert api.get(path).status_code == 200


def test_the_sandbox_has_limits_of_its_own() -> None:
    assert {limit_of(name, "sandbox").requests for name in ("orders", "item-quantities", "tours")} == {10}
    assert {limit_of(name, "sandbox").requests for name in ("order-items", "orders-other")} == {40}
    for operation in ("received-items", "returned-items", "cross-border-movements"):
        assert limit_of(operation, "sandbox") == limit_of(operation, "production")

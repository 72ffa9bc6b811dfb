from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .movement_answers import AT_ONCE, CROSS_BORDER, ICM, body, flat, pages, shown, truth


@pytest.mark.parametrize("path", [ICM, CROSS_BORDER])
def test_paging_goes_on_into_a_report_that_appears_meanwhile(
    server: EmulatorServer, api: httpx.Client, path: str
) -> None:
    server.set_options(icm_page_size=4, empty_reports=0, rate_limits=False)
    query = {"from": "2026-03-07", "to": "2026-03-09", **({"limit": 4} if path == CROSS_BORDER else {})}
    server.clock.set(datetime(2026, 3, 10, 10, 29, tzinfo=UTC))
    first = body(api, path, server.merchant_ids[0], **query)
    server.clock.advance(60)
    answers = [first, *pages(api, path, server.merchant_ids[0], first["next"], **query)]
    rows = [row for a in answers for row in (a["items"] if path == CROSS_BORDER else flat(a["items"]))]
    assert rows == truth(server, path, "2026-03-07", "2026-03-10")
    assert truth(server, path, "2026-03-09", "2026-03-10") != []


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_a_report_appears_at_its_time_on_the_next_day(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    server.set_options(empty_reports=0, rate_limits=False)
    query = {"from": "2026-03-08", "to": "2026-03-09"}
    first, both = truth(server, path, "2026-03-08", "2026-03-09"), truth(server, path, "2026-03-08", "2026-03-10")
    assert len(both) > len(first) > 0
    moments = {
        datetime(2026, 3, 9, 10, 29, 59, tzinfo=UTC): [],
        datetime(2026, 3, 9, 10, 30, tzinfo=UTC): first,
        datetime(2026, 3, 10, 10, 29, 59, tzinfo=UTC): first,
        datetime(2026, 3, 10, 10, 30, tzinfo=UTC): both,
    }
    for now, visible in moments.items():
        server.clock.set(now)
        assert shown(api, server, path, **query) == visible
    server.clock.set(datetime(2026, 3, 10, 10, 30, tzinfo=UTC))
    server.set_options(report_time="10:31")
    assert shown(api, server, path, **query) == first

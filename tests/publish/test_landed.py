"""Which windows have landed, by their manifests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.landed import AT_ONCE, landed_windows
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
FIRST, HOUR = datetime(2026, 11, 20, tzinfo=UTC), timedelta(hours=1)
PARTNERS = {"order_type": "PartnerFulfilled"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(fsspec.filesystem("file"), str(tmp_path), tmp_path.as_uri(), MERCHANT, "production")


def span(window: Window) -> dict[str, str]:
    return {"from": window.start.isoformat(), "to": window.end.isoformat()}


def hour(number: int) -> Window:
    return Window(FIRST + number * HOUR, FIRST + (number + 1) * HOUR)


def land(place: Place, window: Window, **facts: Any) -> str:
    """Write a manifest; its path."""
    path = place.layout("orders").manifest(window)
    fetch = {"finished_at": window.end.isoformat(), "rejected": 0, "rejected_file": None}
    place.store.write_json(path, {"window": span(window), "environment": "production", **fetch, **facts})
    return path


def test_the_latest_window_comes_first_however_many_there_are(place: Place) -> None:
    windows = [hour(number) for number in range(2 * AT_ONCE + 1)]
    for window in windows:
        land(place, window)
    assert list(landed_windows(place, "orders", {})) == windows[::-1]
    assert list(landed_windows(place, "order_lines", {})) == []


@pytest.mark.parametrize(
    ("facts", "of_all", "of_partners"),
    [
        ({}, True, True),
        ({"filters": PARTNERS}, False, True),
        ({"filters": {"order_type": "ZalandoFulfilled"}}, False, False),
        ({"filters": {**PARTNERS, "order_number": "1"}}, False, False),
        ({"filters": {"order_number": "1"}}, False, False),
        ({"environment": "sandbox"}, False, False),
    ],
)
def test_filters_leave_out_what_is_not_asked_for(
    place: Place, facts: dict[str, Any], of_all: bool, of_partners: bool
) -> None:
    land(place, hour(0), **facts)
    for only, has_landed in (({}, of_all), (PARTNERS, of_partners)):
        assert list(landed_windows(place, "orders", only)) == [hour(0)] * has_landed


def test_what_was_clipped_has_not_landed_unless_an_earlier_run_had_it(place: Place) -> None:
    window = Window(FIRST, FIRST + 3 * HOUR)
    clipped = {"clipped": span(hour(0))}
    land(place, window, **clipped)
    kept = Window(FIRST + HOUR, window.end)
    assert list(landed_windows(place, "orders", {})) == [kept]
    earlier = {"covered": span(window), "finished_at": window.end.isoformat(), "rejected": 0, "rejected_file": None}
    land(place, window, **clipped, covered_by=[earlier])
    assert list(landed_windows(place, "orders", {})) == [window, kept]


def test_a_damaged_manifest_is_an_error_that_names_it(place: Place) -> None:
    land(place, hour(1))
    path = land(place, hour(0))
    place.store.write(path, json.dumps({"window": 5}).encode())
    windows = landed_windows(place, "orders", {})
    with pytest.raises(ZDirectConfigurationError, match=path):
        list(windows)

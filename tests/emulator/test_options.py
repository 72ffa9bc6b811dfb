from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_zdirect.emulator.options import Options
from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonsense": 1},
        {"volume": -1},
        {"drift": 1.5},
        {"drift": "0.5"},
        {"drift": True},
        {"rate_limits": 1},
        {"icm_page_size": 0},
        {"icm_page_size": 1.5},
        {"last_page_next": "none"},
        {"snapshot_time": "24:00"},
        {"report_time": "7:30"},
        {"report_holidays": "2026-03-09"},
        {"report_holidays": ["2026-02-30"]},
        {"report_holidays": ["20260309"]},
        {"changed_since_parameter": ""},
        {"stale_etag_status": 200},
        {"delivery_date_after_minutes": -1},
        {"document_path": "/documents"},
        {"missing_scopes": "orders/read"},
        {"tokens_per_minute": "8"},
        {"environment": "test"},
        {"merchants": 0},
    ],
)
def test_what_an_option_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EmulatorServer(**wrong)


def test_options_survive_json() -> None:
    chosen = Options().changed({"report_holidays": ["2026-03-09"], "missing_scopes": ["orders/read"], "volume": 2})
    assert chosen.report_holidays == ("2026-03-09",)
    assert Options().changed(chosen.as_dict()) == chosen

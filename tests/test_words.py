from __future__ import annotations

from datetime import date, datetime

import pytest

from airflow_provider_zdirect.windows import Window
from airflow_provider_zdirect.words import counted, subject

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"


def test_a_log_line_is_about_a_window_a_day_a_moment_or_neither():
    window = Window.of_day(date(2026, 11, 28))
    assert subject("orders", MERCHANT, window) == "orders 2026-11-28 00:00-24:00 UTC, merchant 01924c48"
    assert subject("orders", MERCHANT, full_id=True) == f"orders, merchant {MERCHANT}"
    assert subject("tours", MERCHANT, name="shop-de") == "tours, merchant shop-de (01924c48)"
    assert subject("report", None, date(2026, 11, 28)) == "report 2026-11-28, the connection's merchant"
    moment = datetime.fromisoformat("2026-11-28T08:00+01:00")
    assert subject("tours", MERCHANT, moment) == "tours as of 2026-11-28 07:00 UTC, merchant 01924c48"


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ["record"], "0 records"),
        (1, ["record"], "1 record"),
        (1234, ["late record"], "1,234 late records"),
        (1, ["row was", "rows were"], "1 row was"),
        (2, ["row was", "rows were"], "2 rows were"),
    ],
)
def test_what_is_counted_is_in_the_singular_only_if_it_is_one(number, words, said):
    assert counted(number, *words) == said

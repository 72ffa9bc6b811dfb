"""Of which orders documents are fetched, and how the API is asked for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shipping_documents.document_world import NOBODY

from airflow_provider_zdirect.client.merchants import MerchantNames
from airflow_provider_zdirect.exceptions import ShippingDocumentsError, ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.shipping_documents.documents import DocumentCalls
from airflow_provider_zdirect.shipping_documents.listed import COLUMNS, listed_orders, orders_of_file
from airflow_provider_zdirect.shipping_documents.orders import orders_without_codes
from airflow_provider_zdirect.storage.layout import moment


def publish_orders(place: Place, day: str, rows: list[dict[str, Any]], part: str = "a") -> None:
    noon = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    path = Path(
        place.root, place.layout("orders_current").published(noon.date()), f"{moment(noon).label}-{part}.parquet"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    usual = {
        "order_type": "PartnerFulfilled",
        "status": "approved",
        "tracking_number": None,
        "return_tracking_number": None,
        "order_date": noon,
        "modified_at": noon,
    }
    pq.write_table(pa.Table.from_pylist([{**usual, **row} for row in rows]), path)


def test_by_default_the_published_orders_that_lack_a_code_are_asked_for(tmp_path):
    place = Place(fsspec.filesystem("file"), str(tmp_path), tmp_path.as_uri(), NOBODY, "production")
    ids = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(9)]
    both = {"tracking_number": "T", "return_tracking_number": "R"}
    publish_orders(
        place,
        "2026-03-02",
        [
            {"order_id": ids[0].upper()},
            {"order_id": ids[1], "tracking_number": "T"},
            {"order_id": ids[2], **both},
            {"order_id": ids[3], "order_type": "ZalandoFulfilled"},
            {"order_id": ids[4], "status": "initial"},
            {"order_id": ids[5], "status": "fulfilled"},
            {"order_id": "../elsewhere"},
        ],
    )
    # While a file is replaced, a reader may meet both.
    publish_orders(place, "2026-03-01", [{"order_id": ids[6]}, {"order_id": ids[7], "tracking_number": " "}])
    later = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
    publish_orders(place, "2026-03-01", [{"order_id": ids[6], **both, "modified_at": later}, {"order_id": ids[7]}], "b")
    assert orders_without_codes(place) == [ids[7], ids[0], ids[1]], "the oldest first"
    with pytest.raises(ZDirectConfigurationError, match="zdirect_orders"):
        orders_without_codes(replace(place, merchant_id=ids[1]))


def test_orders_are_named_by_a_list_or_a_file(tmp_path):
    one, other = NOBODY, NOBODY.replace("8000", "9000")
    assert listed_orders([one.upper(), other, one], name="order_ids") == [one, other]
    assert listed_orders(f"{one}, {other}", name="order_ids") == [one, other]
    file = tmp_path / "orders.csv"
    file.write_text(f"Order ID,merchant_id\n{one},{NOBODY}\n{other},\n{other},{other}\n")
    table = TableFile(fsspec.filesystem("file"), str(file), file.as_uri(), "orders_path", COLUMNS, ("order_id",))
    assert orders_of_file(table, NOBODY, MerchantNames()) == [one, other]
    file.write_text(f"order_id\n{one}\n10103434\n")
    with pytest.raises(ZDirectConfigurationError, match=r"orders.csv.*row 3 \('10103434'\)"):
        orders_of_file(table, NOBODY, MerchantNames())
    for wrong in (5, {"a": 1}, ["x"], [NOBODY] * 1001):
        with pytest.raises(ZDirectConfigurationError, match="order_ids"):
            listed_orders(wrong, name="order_ids")


def test_parameter_and_path_are_assumptions(world):
    world.emulator.set_options(documents_order_parameter="order", document_path="/zss/documents/{document_id}/pdf")
    order_id = world.order()
    world.assumptions = {"documents_order_parameter": "order"}
    with pytest.raises(ShippingDocumentsError, match="document_path"):
        world.fetch(order_id)
    world.assumptions["document_path"] = "/zss/documents/{document_id}/pdf"
    assert world.fetch(order_id).downloaded == 3


@pytest.mark.parametrize(
    ("environment", "assumptions", "limit"),
    [("production", {}, 400), ("sandbox", {}, 40), ("production", {"documents_per_minute": 7}, 7)],
)
def test_the_rate_limit_is_that_of_the_environment_or_of_the_assumption(world, environment, assumptions, limit):
    world.assumptions = assumptions
    assert DocumentCalls(world.client(environment=environment)).rate.limit == limit

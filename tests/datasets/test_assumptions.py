from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_zdirect.datasets.assumptions import DEFAULTS, Assumptions
from airflow_provider_zdirect.datasets.table import DATASETS, get_dataset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError


def test_a_deployment_has_the_defaults_and_its_own_values() -> None:
    assumptions = Assumptions({"eans_per_request": " 40 "})
    assert (assumptions.eans_per_request, assumptions.document_path) == (40, DEFAULTS.document_path)
    assert assumptions == Assumptions({"eans_per_request": 40}) != DEFAULTS
    assert hash(assumptions) == hash(Assumptions({"eans_per_request": 40}))
    assert Assumptions({"documents_per_minute": 30}).documents_per_minute == "30"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"eans_per_requests": 40}, "'eans_per_requests' is not an assumption (did you mean 'eans_per_request'?)"),
        ({"x": 1}, "'x' is not an assumption."),
        ({"eans_per_request": 0}, "eans_per_request=0 is not valid: Input should be greater than or equal to 1"),
        ({"orders_page_size": "many"}, "orders_page_size='many'"),
        ({"orders_page_size": True}, "orders_page_size=True"),
        ({"empty_snapshot": "perhaps"}, "empty_snapshot='perhaps' is not valid: Input should be 'zero' or 'refuse'"),
        ({"changed_since_parameter": " "}, "changed_since_parameter="),
        ({"changed_since_parameter": None}, "changed_since_parameter=None"),
        ({"document_path": "/zss/documents"}, "document_path"),
        ({"document_path": "https://elsewhere/{document_id}"}, "document_path"),
        ({"document_path": "/a/{document_id}/{document_id}"}, "document_path"),
        ({"document_path": "/a/{document}/{document_id}"}, "document_path"),
        ({"documents_per_minute": "many"}, "documents_per_minute"),
        ({"documents_per_minute": 0}, "documents_per_minute"),
        ({"unnamed_order": "perhaps"}, "unnamed_order"),
    ],
)
def test_an_unknown_name_and_an_impossible_value_are_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match="assumptions: ") as caught:
        Assumptions(values)
    assert named in str(caught.value)
    assert caught.value.remedy


def test_every_assumption_explains_its_default_which_is_possible_and_what_the_row_says() -> None:
    for field in Assumptions.model_fields.values():
        assert len(field.description or "") > 50
        assert field.title
    defaults = Assumptions(DEFAULTS.model_dump())
    assert defaults == DEFAULTS
    for dataset in DATASETS.values():
        assert dataset.assumes.keys() <= Assumptions.model_fields.keys()
        assert dataset.assuming(defaults) == dataset


def test_a_row_follows_the_assumptions() -> None:
    orders = get_dataset("orders").assuming(Assumptions({"orders_page_parameters": "page_number"}))
    assert (orders.paging.number_parameter, orders.paging.size_parameter) == ("page_number", "page_size")
    assert orders.paging.size == get_dataset("orders").paging.size

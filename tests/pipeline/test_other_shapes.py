"""Files under the base path that are JSON, and not of the shape that this package writes: what reads them names them.

Others are in tests/fuzz (``stored``).
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from state_extraction import StateExtraction

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

EMULATOR = {"seed": 7, "now": datetime(2026, 11, 20, 12, 34, 56, 789, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("dataset", "folder", "content"),
    [
        ("item_quantity_snapshots", "_manifests", '{"files": 5}'),
        ("item_quantity_snapshots", "_manifests", '{"files": [{}]}'),
        ("item_quantity_snapshots", "_manifests", '{"rejected": "1"}'),
        ("shipping_notices", "_states", '{"x": 1}'),
        ("shipping_notices", "_states", '{"etag": "1"}'),
    ],
)
def test_a_file_of_another_shape_is_named(runs: StateExtraction, dataset: str, folder: str, content: str) -> None:
    runs.emulator.set_options(notices_page_size=500)
    runs.observe(dataset)
    (path,) = (runs.root / folder / dataset).rglob("*.json")
    before = runs.published(dataset)
    path.write_text(content)
    with pytest.raises(ZDirectConfigurationError, match=f"{path} is damaged.*[Rr]estore it"):
        runs.observe(dataset)
    assert runs.published(dataset) == before
    path.unlink()
    runs.observe(dataset)

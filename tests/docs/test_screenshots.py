"""The pictures of the UI show what the UI shows today."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest
from code_blocks import PAGES, ROOT

IMAGES = ROOT / "docs" / "images"
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "screenshots.py"))
RECORD = json.loads((IMAGES / "screenshots.json").read_text(encoding="utf-8"))


def test_every_screenshot_shows_what_the_code_has_today() -> None:
    today = SCRIPT["fingerprints"]()
    stale = {name for name in today if RECORD["pictures"].get(name) != today[name]}
    assert stale == set(), "run make screenshots"


def test_the_screenshots_are_of_the_airflow_that_the_makefile_names() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"AIRFLOW_3_3 = {RECORD['airflow']}\n" in makefile, "run make screenshots"


def test_there_is_a_file_for_each_screenshot_and_each_picture_is_shown() -> None:
    taken = {f"{name}.png" for names in SCRIPT["PICTURES"] for name in names.split()}
    assert {name.removesuffix(".png") for name in taken} == RECORD["pictures"].keys()
    shown = {name for page in PAGES for name in re.findall(r"images/([\w-]+\.(?:png|svg))", page.read_text())}
    assert {path.name for path in IMAGES.glob("*.png")} == taken
    assert {path.name for path in IMAGES.iterdir()} - {"screenshots.json"} == shown


@pytest.mark.parametrize("picture", sorted(IMAGES.glob("*.png")), ids=lambda path: path.stem)
def test_a_picture_is_small(picture: Path) -> None:
    assert picture.stat().st_size < 150_000

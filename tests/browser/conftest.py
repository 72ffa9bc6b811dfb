"""Headless Chromium, and pages in it that must not complain."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from airflow_provider_zdirect.coverage.page import render_page

sys.path[:0] = [str(Path(__file__).parent.parent.parent / "scripts"), str(Path(__file__).parent.parent / "coverage")]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZE: Any = {"width": 1440, "height": 900}

# Only what never comes takes that long.
expect.set_options(timeout=60_000)

OpenPage = Callable[..., Page]


# Of a module: while Playwright's event loop is there, no other test can have one.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, tmp_path: Path) -> Iterator[OpenPage]:
    """Opens a report's page from a file; at the end nothing was requested besides, and nothing was complained about."""
    complaints: list[str] = []
    contexts = []

    def open_report(report: Mapping[str, Any], **options: Any) -> Page:
        file = tmp_path / "coverage.html"
        file.write_text(render_page(report), encoding="utf-8")
        while contexts:
            contexts.pop().close()
        contexts.append(chromium.new_context(viewport=SIZE, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda sent: None if sent.url == file.as_uri() else complaints.append(sent.url[:200]))
        page.goto(file.as_uri())
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert [each for each in complaints if each != "data:,"] == []

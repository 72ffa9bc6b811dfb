from __future__ import annotations

from pathlib import Path

import pytest
from published_tables import publish_everything


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every published table below ``zdirect``."""
    home = tmp_path_factory.mktemp("documented")
    publish_everything(home / "zdirect")
    return home


@pytest.fixture
def beside_the_tables(everything: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the pages' examples: the base path is ``zdirect`` in it."""
    monkeypatch.chdir(everything)
    return everything

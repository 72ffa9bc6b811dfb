"""The documentation site: ``make docs`` builds it into build/docs."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from docutils import nodes
from pygments.lexers import TextLexer
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
# The API reference imports Airflow, which makes a home where it has none.
os.environ["AIRFLOW_HOME"] = str(ROOT / "build" / "airflow")

from airflow_provider_zdirect import __version__  # noqa: E402

_LOG = logging.getLogger(__name__)

project = "airflow-provider-zdirect"
author = "The authors of airflow-provider-zdirect"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
# Links to headings work as they do on GitHub.
myst_heading_anchors = 4
nitpicky = True
nitpick_ignore_regex = [
    # Other projects' inventories need the network.
    (r"py:.*", r"(?!airflow_provider_zdirect\b).*"),
    # Type variables, and what a public docstring names but nobody has to know.
    (r"py:.*", r".*\.T"),
    (
        r"py:.*",
        r"airflow_provider_zdirect\.(client\.pace|datasets\.(answer|record)|hooks\.connection_form|"
        r"intrastat\.master_data|reports\.wait|stocks\.stock_updates)(\..*)?",
    ),
]

autodoc_typehints = "description"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"{project} {version}"
exclude_patterns = ["examples"]

_EXTERNAL = set((ROOT / "docs" / "external-links.txt").read_text(encoding="utf-8").split())


def _link_pages_of_the_root(app: object, *names: object) -> None:
    """The changelog, the security policy and the like lie in the root; on the site they are pages beside the others."""
    source: list[str] = names[-1]  # type: ignore[assignment]
    source[0] = re.sub(
        r"\]\((?:\.\./)?(CHANGELOG|CONTRIBUTING|SECURITY)\.md", lambda found: f"]({found[1].lower()}.md", source[0]
    )
    source[0] = source[0].replace("](docs/", "](")


def _check_external_links(app: object, document: nodes.document, name: str) -> None:
    """Without the network: an address is right if whoever added it has written it down."""
    for link in document.findall(nodes.reference):
        address = link.get("refuri", "").partition("#")[0]
        if address.startswith(("http://", "https://")) and address not in _EXTERNAL:
            _LOG.warning("%s is not in docs/external-links.txt", address, location=link, type="external")


def setup(app: Sphinx) -> None:
    for event in ("source-read", "include-read"):
        app.connect(event, _link_pages_of_the_root)
    app.connect("doctree-resolved", _check_external_links)
    app.add_lexer("csv", TextLexer)

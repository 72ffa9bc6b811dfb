"""What became of the cases, as a page for people and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from certification.case import Case
from certification.references import REFERENCES, Reference
from certification.table import CASES
from certification.world import EXTRACTABLE

HERE = Path(__file__).parent
NOT_RUN = "not run"


@dataclass(frozen=True)
class Ran:
    """How a test has ended: ``passed``, ``failed``, ``skipped`` or ``not run``."""

    outcome: str = NOT_RUN
    seconds: float = 0.0
    error: str = ""

    @classmethod
    def of_all(cls, tests: Iterable[Ran]) -> Ran:
        """The worst of several."""
        found = list(tests)
        if not found:
            return cls()
        worst = next((each for kind in ("failed", "skipped") for each in found if each.outcome == kind), found[0])
        return cls(worst.outcome, sum(each.seconds for each in found), worst.error)


def as_json(ran: Mapping[str, Ran], finished_at: str) -> dict[str, Any]:
    """:param ran: by node id."""
    cases = [_case(case, ran) for case in CASES]
    references = [_reference(reference, ran) for reference in REFERENCES]
    counts = Counter(each["outcome"] for each in (*cases, *references))
    return {
        "finished_at": finished_at,
        "counts": {"all": len(cases) + len(references), **counts},
        "seconds": round(sum(each["seconds"] for each in (*cases, *references)), 1),
        "cases": cases,
        "references": references,
    }


def page(report: Mapping[str, Any]) -> str:
    """The same, self-contained; every text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    cases = {(case["situation"], case["dataset"]): case for case in report["cases"]}
    situations = list({case["situation"]: case for case in report["cases"]}.values())
    groups = [(group, list(found)) for group, found in groupby(situations, lambda each: each["group"])]
    failed = [each for each in (*report["cases"], *report["references"]) if each["outcome"] == "failed"]
    return environment.get_template("page.html.j2").render(
        report=report, cases=cases, groups=groups, datasets=EXTRACTABLE, failed=failed
    )


def write(folder: Path, ran: Mapping[str, Ran], finished_at: str) -> Path:
    """Both, into a folder; the page."""
    report = as_json(ran, finished_at)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "certification.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(page(report), encoding="utf-8")
    return folder / "index.html"


def _case(case: Case, ran: Mapping[str, Ran]) -> dict[str, Any]:
    of_it = ran.get(f"tests/certification/test_cases.py::test_case[{case.id}]", Ran())
    situation = case.situation
    return {
        "id": case.id,
        "dataset": case.dataset,
        "group": situation.group,
        "situation": situation.id,
        "shows": situation.shows,
        "protected_by": case.protection.names,
        **vars(of_it),
    }


def _reference(reference: Reference, ran: Mapping[str, Ran]) -> dict[str, Any]:
    of_it = [each for test, each in ran.items() if test.partition("[")[0] in reference.tests]
    return {"id": reference.id, "shows": reference.shows, "tests": list(reference.tests), **vars(Ran.of_all(of_it))}

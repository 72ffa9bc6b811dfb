"""Parameters of an exhaustive set: the first ones stay in the fast set, all others run by `make test-all`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def exhaustive(cases: Iterable[Any], representatives: int = 1) -> list[Any]:
    """The cases for ``parametrize``; all but the first ``representatives`` are marked ``exhaustive``.

    :param cases: values, or tuples of them where a test has several parameters.
    """
    return [
        case
        if number < representatives
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.exhaustive)
        for number, case in enumerate(cases)
    ]

# SPDX-License-Identifier: Apache-2.0
"""Files that are not as this package wrote them: a disk, a person or another program has changed them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

DAMAGED = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""What reading such a file raises."""


class Instant:
    """In the shape of a file (:meth:`.ObjectStore.read_json`): the text of a time with its zone."""

    def __init__(self, text: str) -> None:
        # Not msgspec's own check: it lets texts pass that fromisoformat refuses.
        if datetime.fromisoformat(text).tzinfo is None:
            raise ValueError("a time without its zone")


@contextmanager
def naming_damaged(path: str) -> Iterator[None]:
    """Raise what such a file leads to as an error that names it.

    :param path: as people find it, or relative to the base path.
    :raises ZDirectConfigurationError: instead of DAMAGED.
    """
    try:
        yield
    except DAMAGED as error:
        raise ZDirectConfigurationError(
            f"The file {path} is damaged ({type(error).__name__}: {error!s:.100}).",
            remedy="Restore it from a copy; or move it away, and run the task again that writes it (what only this "
            "file says is lost then).",
        ) from error

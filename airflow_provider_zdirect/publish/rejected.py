"""Invalid records, kept beside the data."""

from __future__ import annotations

import gzip
from collections.abc import Iterable

from airflow_provider_zdirect.exceptions import RejectedRecordsError, ZDirectConfigurationError
from airflow_provider_zdirect.publish.place import Place

REASONS_NAMED = 3


def check_max_rejected(max_rejected: int) -> None:
    """Raise ZDirectConfigurationError if it is negative."""
    if max_rejected < 0:
        raise ZDirectConfigurationError(
            f"max_rejected={max_rejected} is negative.", remedy="Give a number of zero or more."
        )


def compress_lines(lines: Iterable[bytes]) -> bytes:
    """JSON lines as a gzip file. Such files, one after the other, are a gzip file again."""
    return gzip.compress(b"".join(lines), mtime=0)


def publish_rejected(
    place: Place, path: str, compressed: bytes, count: int, reasons: Iterable[str], *, max_rejected: int, what: str
) -> str | None:
    """Write the invalid records under ``path``; ``path``, or None if there are none.

    What an earlier run has written there is replaced, or deleted if no record is invalid now.

    :param compressed: their lines, as :func:`compress_lines` returns them.
    :param count: how many there are.
    :param reasons: why they are invalid; the first ones go into the error.
    :param max_rejected: how many are tolerated.
    :param what: dataset, merchant and window, for the error.
    :raises RejectedRecordsError: if there are more; they are written all the same.
    """
    if not count:
        place.store.delete(path)
        return None
    place.store.write(path, compressed)
    if count > max_rejected:
        raise RejectedRecordsError(
            f"{what}: {count} invalid records, and max_rejected is {max_rejected}; nothing was published. "
            f"Reasons: {' | '.join(list(dict.fromkeys(reasons))[:REASONS_NAMED])}.",
            remedy=f"Look at {place.uri_of(path)}; to publish the valid records all the same, raise max_rejected and "
            "clear the task.",
        )
    return path

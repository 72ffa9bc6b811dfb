# SPDX-License-Identifier: Apache-2.0
"""Where a merchant's results go."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from fsspec import AbstractFileSystem

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.storage.layout import FORMATS, Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window
from airflow_provider_zdirect.words import merchant_in_words, subject


@dataclass(frozen=True)
class Place:
    """The base path, the merchant whose data are there, and how files are written.

    :param fs: filesystem of the base path.
    :param root: the base path as ``fs`` names it.
    :param uri: the base path as people name it, for results and messages.
    :param merchant_id: UUID.
    :param environment: ``production`` or ``sandbox``; a base path has one.
    :param format: of the published files: ``parquet`` or ``jsonl``.
    :param merchant_name: what people call the merchant; messages have it, stored data do not.
    :param storage: which connection and address the base path is reached by, in words, for errors.
    :param copies: as those of :class:`~.ObjectStore`.
    :raises ZDirectConfigurationError: if the merchant id or the format is not valid.
    """

    fs: AbstractFileSystem
    root: str
    uri: str
    merchant_id: str
    environment: str
    format: str = "parquet"
    storage: str = ""
    merchant_name: str | None = None
    copies: dict[str, Path] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        # Not when a DAG is parsed: the client imports the HTTP library.
        from airflow_provider_zdirect.client import checked_merchant_id

        object.__setattr__(self, "merchant_id", checked_merchant_id(self.merchant_id))
        if self.format not in FORMATS:
            raise ZDirectConfigurationError(
                f"format={self.format!r} is not a format.", remedy=f"Use one of: {', '.join(FORMATS)}."
            )

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(self.fs, self.root, self.copies)

    @property
    def suffix(self) -> str:
        """Of the published files."""
        return FORMATS[self.format]

    def layout(self, dataset: str) -> Layout:
        """The paths of a dataset of this merchant."""
        return Layout(dataset, self.merchant_id)

    def in_words(self, dataset: str) -> str:
        """A dataset of this merchant, for errors."""
        return f"{dataset} of merchant {self.merchant}"

    @property
    def merchant(self) -> str:
        """The merchant in words, for messages."""
        return merchant_in_words(self.merchant_id, self.merchant_name)

    def subject(self, what: str, when: Window | date | None = None, *, full_id: bool = False) -> str:
        """What a log line of this merchant is about, as :func:`~.words.subject`."""
        return subject(what, self.merchant_id, when, name=self.merchant_name, full_id=full_id)

    def data_uri(self, dataset: str) -> str:
        """Where the published data of a dataset are."""
        return self.uri_of(self.layout(dataset).merchant)

    def uri_of(self, path: str) -> str:
        """A path below the base path, as people name it."""
        return f"{self.uri.rstrip('/')}/{path}"

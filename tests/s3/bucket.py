"""A bucket, looked at with boto3, which shares no code path and no cache with what wrote to it."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from extraction import Extraction
from s3_server import CREDENTIALS

from airflow_provider_zdirect.pipeline.extract import ExtractResult
from airflow_provider_zdirect.publish.place import Place

PREFIX = "zdirect/landing"


@dataclass
class Bucket:
    """:param mirror: folder that :meth:`download` fills with what lies below the prefix.

    :param prefix: the base path in the bucket.
    """

    endpoint: str
    name: str
    mirror: Path
    prefix: str = PREFIX

    @classmethod
    def create(cls, endpoint: str, mirror: Path) -> Bucket:
        bucket = cls(endpoint, f"zdirect-{uuid.uuid4().hex[:12]}", mirror)
        bucket.client.create_bucket(Bucket=bucket.name)
        return bucket

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=CREDENTIALS["key"],
            aws_secret_access_key=CREDENTIALS["secret"],
            region_name="us-east-1",
        )

    @property
    def root(self) -> str:
        return f"{self.name}/{self.prefix}"

    @property
    def uri(self) -> str:
        return f"s3://{self.root}"

    def names(self) -> list[str]:
        """Names of all objects in the bucket, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(found["Key"] for page in pages for found in page.get("Contents", []))

    def download(self) -> None:
        shutil.rmtree(self.mirror, ignore_errors=True)
        self.mirror.mkdir(parents=True)
        client = self.client
        for key in self.names():
            assert key.startswith(f"{self.prefix}/"), "an object beside the base path"
            local = self.mirror / key.removeprefix(f"{self.prefix}/")
            local.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(self.name, key, str(local))

    def versions(self) -> dict[str, tuple[str, Any]]:
        """Checksum and time of every object outside of the marks and manifests."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=f"{self.prefix}/")
        return {
            found["Key"]: (found["ETag"], found["LastModified"])
            for page in pages
            for found in page.get("Contents", [])
            if not found["Key"].removeprefix(f"{self.prefix}/").startswith("_")
        }


@dataclass
class S3Extraction(Extraction):
    """As its base, into a bucket. What it looks at is downloaded first.

    :param filesystem: gives the filesystem of one run.
    """

    bucket: Bucket = None  # type: ignore[assignment]
    filesystem: Callable[[], Any] = None  # type: ignore[assignment]

    def place(self, merchant_id: str, format: str) -> Place:
        return Place(self.filesystem(), self.bucket.root, self.bucket.uri, merchant_id, self.environment, format)

    def published(self, dataset: str) -> list[dict[str, Any]]:
        self.bucket.download()
        return super().published(dataset)

    def paths(self, kind: str) -> list[Path]:
        self.bucket.download()
        return super().paths(kind)

    def manifest(self, result: ExtractResult) -> dict[str, Any]:
        self.bucket.download()
        return json.loads(self.local(result.as_dict()["manifest"]).read_text())

    def local(self, uri: str) -> Path:
        assert uri.startswith(f"{self.bucket.uri}/")
        return self.bucket.mirror / uri.removeprefix(f"{self.bucket.uri}/")

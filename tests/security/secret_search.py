"""Looks for secrets in everything below a folder: in files as they are, unpacked, and in every cell of databases."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq


def forms(secret: str) -> set[bytes]:
    """The ways in which a text may hold the secret: plain, quoted for a URL, escaped for JSON, and as base64."""
    raw = secret.encode()
    texts = {secret, quote(secret, safe=""), quote_plus(secret), quote(secret), repr(secret)[1:-1]}
    texts |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    # JSON within JSON, as a connection's extra is.
    texts |= {json.dumps(text)[1:-1] for text in texts}
    found = {text.encode() for text in texts}
    for shift in range(3):
        # What stands before it moves the letters; the ones at the edges depend on what is beside.
        coded = base64.b64encode(b"\0" * shift + raw)
        core = coded[4 if shift else 0 : len(coded) - 4]
        found |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of everything below a folder; of databases also each cell, named by table and column."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        name, data = str(path.relative_to(folder)), path.read_bytes()
        yield name, name.encode()
        yield name, data
        if name.endswith(".gz"):
            yield name, gzip.decompress(data)
        elif name.endswith(".parquet"):
            yield name, str(pq.read_table(path).to_pylist()).encode()
            yield name, str(pq.read_metadata(path).metadata).encode()
        elif data.startswith(b"SQLite format 3"):
            yield from cells(path)


def cells(database: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of every table."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            found = connection.execute(f'SELECT * FROM "{table}"')
            columns = [column for column, *_ in found.description]
            for row in found:
                for column, value in zip(columns, row, strict=True):
                    if value is not None:
                        yield f"{table}.{column}", value if isinstance(value, bytes) else str(value).encode()


def holding(secrets: Iterable[str], places: Iterable[tuple[str, bytes]]) -> set[str]:
    """The names of the places that hold one of the secrets, in any form."""
    wanted = set().union(*map(forms, secrets))
    return {name for name, data in places if any(form in data for form in wanted)}

# SPDX-License-Identifier: Apache-2.0
"""Which environment a base path belongs to: the first run writes it down, and a run in another one is refused.

Rows of production and sandbox look alike, and nothing could part them again.
"""

from __future__ import annotations

import json

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.storage.object_store import ObjectStore

RECORD = "_environment/environment.json"


def claim_environment(store: ObjectStore, environment: str, base_uri: str, *, writes: bool = True) -> bool:
    """Let the base path belong to an environment, and return whether it has a record; of two first runs, one wins.

    :param base_uri: the base path as people name it.
    :param writes: whether to write the record, if there is none.
    :raises ZDirectConfigurationError: if it belongs to another one.
    """
    found = store.read(RECORD)
    if found is None and writes:
        found = store.write_if_absent(RECORD, json.dumps({"environment": environment}).encode())
    if found is None:
        return False
    try:
        owner = json.loads(found)["environment"]
    except (ValueError, TypeError, KeyError):
        raise ZDirectConfigurationError(
            f"base_path={base_uri!r}: its record {RECORD} is damaged, so its environment is unknown.",
            remedy=f'Write {{"environment": "production"}} or {{"environment": "sandbox"}} into {base_uri}/{RECORD}.',
        ) from None
    if owner != environment:
        raise ZDirectConfigurationError(
            f"base_path={base_uri!r} belongs to {owner}, and the zDirect connection is for {environment}.",
            remedy=f"Give each environment a base path of its own (base_path, ZDIRECT_BASE_PATH), or use a connection "
            f"for {owner}. If nothing in it is worth keeping, empty it, {RECORD} included.",
        )
    return True

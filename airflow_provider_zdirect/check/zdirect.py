# SPDX-License-Identifier: Apache-2.0
"""The checks that ask zDirect: token, merchants, scopes, and one read of each dataset.

Only what changes nothing is sent: one request for a token, if none is shared, ``GET /auth/me``, and one GET per dataset
and merchant. Nothing is sent twice, except after a 401.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_zdirect.check.outcome import SEND_FILE, Outcome, Status
from airflow_provider_zdirect.check.scopes import by_scope, granted_as
from airflow_provider_zdirect.client import Identity, RetryPolicy, Timeouts, ZDirectClient
from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.paging import TimeWalk
from airflow_provider_zdirect.datasets.selection import DAY
from airflow_provider_zdirect.datasets.table import DATASETS, Dataset
from airflow_provider_zdirect.exceptions import RateLimitedError, ZDirectError
from airflow_provider_zdirect.pipeline.plan import PlannedRequest, plan_requests
from airflow_provider_zdirect.recording.answer import recorded, recorded_read
from airflow_provider_zdirect.recording.findings import CONTRADICTED
from airflow_provider_zdirect.recording.transport import RecordingTransport
from airflow_provider_zdirect.windows import Window
from airflow_provider_zdirect.words import counted, merchant_in_words

TIMEOUTS = Timeouts(connect=5.0, read=60.0, total=120.0)
"""Seconds; a person waits for the answer."""

POLICY = RetryPolicy(max_inline_wait=10.0, max_attempts=1)

AGO = 4 * DAY
"""How long ago the day is that is read: its late records have come, and every dataset of windows still has it."""

RECORDS = 50
"""On a page, where so many can be asked for."""

PORTAL = "In the zDirect portal, give the app the scope"


_SCOPE = re.compile("[a-z0-9._/-]{1,80}")


@dataclass(frozen=True)
class Wanted:
    """What is to be checked.

    :param merchant_ids: that were named; empty: that of the connection, or the first one of the app.
    :param datasets: that were named; empty: all.
    :param reads: whether to read one page of each dataset.
    """

    merchant_ids: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    reads: bool = True


@dataclass
class ZDirectChecks:
    """Checks one connection.

    :param client: made with :data:`POLICY` and ``transport``.
    :param report: is given each outcome as soon as it is known.
    :ivar answers: what zDirect answered, by its shape.
    :ivar facts: about the app, without any id.
    """

    client: ZDirectClient
    transport: RecordingTransport
    wanted: Wanted
    clock: Clock
    report: Callable[[Outcome], None]
    answers: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    async def run(self) -> None:
        identity = await self._identity()
        if identity is None:
            for check in ("merchants", "scopes", "reads"):
                self._report(Status.SKIP, check, "Not checked, because zDirect does not know the app.")
            return
        merchant_ids = self._merchants(identity)
        allowed = self._allowed(identity)
        if not (self.wanted.reads and merchant_ids and allowed):
            reason = "no scope" if merchant_ids else "no merchant"
            self._report(Status.SKIP, "reads", f"Not checked: {reason if self.wanted.reads else '--no-reads'}.")
            return
        for merchant_id in merchant_ids:
            for dataset in allowed:
                await self._read(dataset, merchant_id)

    def _report(self, status: Status, check: str, text: str) -> None:
        self.report(Outcome(status, check, text))

    async def _identity(self) -> Identity | None:
        config = self.client.config
        try:
            await self.client.access_token()
        except ZDirectError as error:
            self.report(Outcome.of_error("token", error))
            return None
        finally:
            asked = self._record()
        came = "zDirect gave" if asked else "this deployment shares"
        self._report(Status.OK, "token", f"{came} an access token of app {config.client_id} ({config.environment}).")
        try:
            identity = await self.client.me()
        except ZDirectError as error:
            self.report(Outcome.of_error("app", error))
            return None
        finally:
            self._record()
        self._report(
            Status.OK,
            "app",
            f"{config.address} knows the token as that of app {identity.client_id or '(unnamed)'}.",
        )
        return identity

    def _record(self) -> bool:
        """Note the answers to requests that belong to no merchant, and return whether there were any."""
        taken = self.transport.take()
        self.answers += [recorded(each, each.path) for each in taken]
        return bool(taken)

    def _merchants(self, identity: Identity) -> list[str]:
        """Those to read."""
        granted, in_words = identity.merchant_ids, self.client.merchants.in_words
        self.facts["merchants"] = len(granted)
        wanted = list(self.wanted.merchant_ids)
        lacking = [each for each in wanted if each not in {one.lower() for one in granted}]
        if not granted:
            self._report(
                Status.FAIL,
                "merchants",
                "zDirect lists no merchant for the app. What to do: Grant a merchant to the app in the zDirect portal.",
            )
        elif lacking:
            self._report(
                Status.FAIL,
                "merchants",
                f"The app may not use {', '.join(map(in_words, lacking))}; it may use "
                f"{', '.join(map(in_words, granted))}. What to do: Correct the "
                "merchant, or grant the merchant to the app in the zDirect portal.",
            )
        else:
            count = counted(len(granted), "merchant")
            self._report(Status.OK, "merchants", f"The app may use {count}: {', '.join(map(in_words, granted))}.")
        return [each for each in wanted or granted[:1] if each not in lacking]

    def _allowed(self, identity: Identity) -> list[Dataset]:
        """The datasets to read, after it was reported which scopes are missing."""
        named = self.wanted.datasets
        self.facts["scopes"] = spelled = dict[str, str | None]()
        allowed: list[Dataset] = []
        needed = by_scope(named or DATASETS)
        if not identity.scopes:
            # Unconfirmed: whether zDirect lists them for every app.
            text = "zDirect lists no scope of the app; whether a dataset can be read says what is granted."
            self._report(Status.WARN, "scopes", text)
            return [dataset for datasets in needed.values() for dataset in datasets]
        for scope, datasets in needed.items():
            names = ", ".join(each.name for each in datasets)
            granted = granted_as(scope, identity.scopes)
            spelled[scope] = granted if granted is None or _SCOPE.fullmatch(granted) else "(another text)"
            if granted:
                allowed += datasets
                continue
            # What was named is read all the same: scopes may have other names than is known.
            self._report(
                Status.FAIL if named else Status.WARN,
                f"scope {scope}",
                f"Not granted, so {names} cannot be read. What to do: {PORTAL} {scope}, if you need {names}. A token "
                "from before does not have it: wait two hours, or delete the Airflow Variable that begins with "
                "zdirect_token_.",
            )
            if named:
                allowed += datasets
        if granted_count := sum(each is not None for each in spelled.values()):
            needed_count = counted(len(spelled), "scope")
            self._report(Status.OK, "scopes", f"The app has {granted_count} of {needed_count} that datasets need.")
        return allowed

    async def _read(self, row: Dataset, merchant_id: str) -> None:
        dataset = row.assuming(self.client.assumptions)
        if isinstance(dataset.paging, TimeWalk):
            dataset = dataset.but(paging={"size": RECORDS})
        check = f"read {dataset.name}"
        request = _small_request(dataset, self.clock.now())
        parameters = {**request.parameters, **dataset.paging.of_size(RECORDS)}
        page, failure = None, None
        try:
            pages = self.client.pages(dataset, merchant_id, parameters, answered_at=self.clock.now)
            async with aclosing(pages):
                page = await anext(pages)
        except ZDirectError as error:
            failure = error
        expected = None
        # The sandbox answers with samples, whatever it is asked for.
        if request.span and self.client.config.environment == "production":
            expected = dataset.windows.expected(dataset.publish.time_field, request.span, request.day)
        for exchange in self.transport.take():
            if exchange.path == dataset.endpoint.path_of(merchant_id):
                answered = page if exchange.answer.status == 200 else None
                self.answers.append(recorded_read(dataset, exchange, answered, expected, self.client.assumptions))
            else:
                # A new token, after a 401.
                self.answers.append(recorded(exchange, exchange.path))
        if failure is None:
            merchant = merchant_in_words(merchant_id, self.client.merchants.name_of(merchant_id), full_id=False)
            self.report(_of_read(check, merchant, request.span, self.answers[-1]))
        else:
            status = Status.WARN if isinstance(failure, RateLimitedError) else Status.FAIL
            self.report(Outcome.of_error(check, failure, status))


def _small_request(dataset: Dataset, now: datetime) -> PlannedRequest:
    """One request that needs no permission but the scope, and is answered fast."""
    if not dataset.has_windows:
        since = now.replace(microsecond=0) - timedelta(hours=1) if dataset.states.since_parameter else None
        (state, *_) = dataset.states.requests(dataset.name, since, {})
        return PlannedRequest("now", state.parameters)
    requests = plan_requests(dataset, Window.of_day((now - AGO).date()), "UTC")
    # Of the hours of a day, one with work in the warehouses.
    return requests[len(requests) // 2]


def _of_read(check: str, merchant: str, window: Window | None, answer: dict[str, Any]) -> Outcome:
    """The outcome of a read that was understood."""
    read = answer["records"]
    found: list[str] = []
    # Of orders, the items and lines are records as well.
    for each in (read, *answer.get("parts", {}).values()):
        rejected = ", ".join(each["rejected"])
        found += [f"records are not as assumed ({rejected})"] if rejected else []
        found += ["records are not readable"] if each["unreadable"] else []
    found += ["records lie outside of what was asked for"] if answer["outside_of_request"] else []
    found += [f"the assumption {name} is wrong" for name, said in answer["assumptions"].items() if said == CONTRADICTED]
    when = f"{window.in_words()}, " if window else ""
    more = ", and there are more" if answer["has_next_page"] else ""
    unknown = ", ".join(list(read["unknown_fields"])[:5])
    new = f", with fields that are not known yet ({unknown})" if unknown else ""
    text = f"{when}merchant {merchant}: {counted(read['valid'], 'record')}{more}{new}"
    if not found:
        return Outcome(Status.OK, check, f"{text}.")
    return Outcome(Status.WARN, check, f"{text}; but {'; '.join(found)}. What to do: {SEND_FILE}")

# SPDX-License-Identifier: Apache-2.0
"""Empty daily reports: is a report without movements certain to be empty, or not made yet?"""

from __future__ import annotations

import logging
from datetime import datetime

from airflow_provider_zdirect.pipeline.fetch import Fetcher
from airflow_provider_zdirect.pipeline.plan import PlannedRequest
from airflow_provider_zdirect.reports.calendar import DAY, is_long_due, why_empty
from airflow_provider_zdirect.reports.wait import later_report

log = logging.getLogger(__name__)


async def judge_empty_reports(fetcher: Fetcher) -> dict[str, str | None]:
    """By date of an empty report: why it is certain to be empty, None if it is not.

    A report may be fetched again on the way, and have movements then.
    """
    run = fetcher.run
    judged: dict[str, str | None] = {}
    for request in run.requests:
        if not run.progress.of(request.key).is_empty:
            continue
        because = await _why_empty(fetcher, request)
        if not run.progress.of(request.key).is_empty:
            continue
        judged[request.key] = because
        what = run.place.subject(run.dataset.name, request.day)
        if because is None:
            log.warning(
                "%s: the report is empty, and there is no report of a later date, so it may not have been made yet. "
                "The day is not complete; fetch it again later.",
                what,
            )
        else:
            log.info("%s: the report is empty, because %s.", what, because)
    return judged


async def _why_empty(fetcher: Fetcher, request: PlannedRequest) -> str | None:
    run = fetcher.run
    fetched = run.progress.of(request.key)
    assert request.day is not None
    assert fetched.fetched_at is not None
    if is_long_due(request.day, datetime.fromisoformat(fetched.fetched_at)):
        return why_empty(None)
    last = run.clock.now().date() - DAY
    later = await later_report(fetcher.client, run.dataset, run.place.merchant_id, request.day, last)
    fetcher.count_traffic(fetched)
    if later is None:
        return None
    # It may have been made between the two answers.
    await fetcher.fetch_again(request)
    return why_empty(later)

# SPDX-License-Identifier: Apache-2.0
"""The name of a mapped task while it runs: Airflow 2 renders ``map_index_template`` when the task has ended."""

from __future__ import annotations

import logging
from typing import Any

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_2_PLUS

log = logging.getLogger(__name__)


class NamedMapIndex:
    """Makes a mapped task's name known before it is executed, so that deferred tasks have theirs too."""

    if not AIRFLOW_V_3_0_PLUS:

        def pre_execute(self, context: Any) -> None:
            super().pre_execute(context)  # type: ignore[misc]
            try:
                _name(context)
            except Exception:
                # Airflow tries it again when the task has ended.
                log.debug("map_index_template cannot be rendered yet", exc_info=True)

    elif not AIRFLOW_V_3_2_PLUS:

        def pre_execute(self, context: Any) -> None:
            super().pre_execute(context)  # type: ignore[misc]
            # Airflow 3.0 and 3.1.0 would render the name with the task as it was before its arguments were rendered,
            # and fail tasks of mapped groups.
            context["task"] = self


def _name(context: Any) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    ti, template = context["ti"], context.get("map_index_template")
    if template is None or ti.map_index < 0:
        return
    ti.rendered_map_index = ti.task.get_template_env().from_string(template).render(context)
    with create_session() as session:
        session.query(TaskInstance).filter(TaskInstance.filter_for_tis([ti])).update(  # type: ignore[arg-type]
            {"rendered_map_index": ti.rendered_map_index}, synchronize_session=False
        )

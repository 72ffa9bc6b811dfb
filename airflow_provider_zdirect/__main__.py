# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_provider_zdirect check``."""

from __future__ import annotations

from airflow_provider_zdirect.check.options import parser


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    # Not at the top: --help does not need Airflow.
    from airflow_provider_zdirect.check.command import run_and_exit

    run_and_exit(args)


if __name__ == "__main__":
    main()

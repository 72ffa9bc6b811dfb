# SPDX-License-Identifier: Apache-2.0
"""Daily reports of movements: when one is due, and waiting for it. Without Airflow."""

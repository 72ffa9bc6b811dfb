# SPDX-License-Identifier: Apache-2.0
"""Labels and delivery notes of partner-fulfilled orders: fetched, stored and published. Without Airflow."""

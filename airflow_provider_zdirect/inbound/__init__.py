# SPDX-License-Identifier: Apache-2.0
"""Deliveries to Zalando warehouses: written, watched and compared with what arrived. Without Airflow."""

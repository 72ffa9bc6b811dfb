# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_provider_zdirect check``: what works with a connection, and what is missing."""

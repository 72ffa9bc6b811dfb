# SPDX-License-Identifier: Apache-2.0
"""A zDirect server for demo and tests: ``python -m airflow_provider_zdirect.emulator``.

It answers as the documented API does, from an endless, reproducible timeline of records, and misbehaves by options and
fault plans. Nothing of the provider imports it.
"""

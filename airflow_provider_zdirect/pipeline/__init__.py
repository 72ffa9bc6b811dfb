# SPDX-License-Identifier: Apache-2.0
"""From a window or a present state to published files and a manifest, without Airflow."""

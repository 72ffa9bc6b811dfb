# SPDX-License-Identifier: Apache-2.0
"""Stock updates of partner-fulfilled articles: from a feed to the levels at zDirect, without Airflow."""

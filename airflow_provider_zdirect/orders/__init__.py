# SPDX-License-Identifier: Apache-2.0
"""What is done with orders beside fetching them: updates, shipping documents, what is missing. Without Airflow."""

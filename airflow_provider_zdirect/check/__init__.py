"""``python -m airflow_provider_zdirect check``: what works with a connection, and what is missing."""

"""What is done with orders beside fetching them: updates, shipping documents, what is missing. Without Airflow."""

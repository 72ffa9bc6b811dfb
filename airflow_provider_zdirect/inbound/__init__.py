"""Deliveries to Zalando warehouses: written, watched and compared with what arrived. Without Airflow."""

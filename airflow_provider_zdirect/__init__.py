"""Apache Airflow provider for Zalando's zDirect merchant API.

Importing the package costs nothing: every module is imported by the one who needs it.
"""

__version__ = "0.1.0"

"""The components of Airflow in the distributed run and in docker-compose.yaml, and how the first sets them."""

from __future__ import annotations

WORKERS = ("worker-1", "worker-2", "worker-3")
SLOTS = 3
COMMANDS = {
    "api-server": ["api-server"],
    "dag-processor": ["dag-processor"],
    "scheduler-1": ["scheduler", "--skip-serve-logs"],
    "scheduler-2": ["scheduler", "--skip-serve-logs"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
    **{name: ["celery", "worker", "--celery-hostname", name, "--skip-serve-logs"] for name in WORKERS},
}
# What is queued is still there when it was killed.
REDIS = ["redis-server", "--appendonly", "yes"]
SETTINGS = {
    "CORE__EXECUTOR": "CeleryExecutor",
    "CORE__HOSTNAME_CALLABLE": "distributed_host.name",
    # Of each scheduler. Not many more than there are slots: what waits in the queue counts as stuck some time later.
    "CORE__PARALLELISM": "8",
    "CELERY__WORKER_CONCURRENCY": str(SLOTS),
    # Only the backfills and what is triggered: also where an hour ends in the middle.
    "SCHEDULER__USE_JOB_SCHEDULE": "False",
    # After how many seconds a task without a sign of life is taken for dead (default 300), of a killed worker.
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "40",
    # A scheduler without one is dead after 30 s by default; its tasks are looked for every 300 s.
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    # What Redis or a worker lost is queued again after 600 s by default.
    "SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
    "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "20",
    # The messages of a killed worker go to another one after a day by default.
    "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "120",
    # The triggers of a dead triggerer go to the next one after this many seconds (default 30).
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    # All components share two processors, and the API server is asked by all.
    "WORKERS__EXECUTION_API_TIMEOUT": "20",
    # Not three, of five seconds each: a database that starts again needs longer.
    "WORKERS__MAX_FAILED_HEARTBEATS": "6",
    "DAG_PROCESSOR__PARSING_PROCESSES": "1",
}

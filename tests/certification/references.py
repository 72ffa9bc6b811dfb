"""Tests of other suites that use real processes and servers; the page lists them with their outcomes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """:param tests: node ids; of parametrized ones without the parameters."""

    id: str
    shows: str
    tests: tuple[str, ...]


REFERENCES = [
    Reference(
        "process/sigkill-at-each-step",
        "A real process is killed (SIGKILL) at steps of a run; a later task removes what it left, and all is there.",
        ("tests/pipeline/test_killed_tasks.py::test_what_a_killed_task_has_left_goes_with_a_later_one",),
    ),
    Reference(
        "process/sigkill-between-pages",
        "A real process is killed while it fetches; the next one goes on with the pages that were saved.",
        ("tests/pipeline/test_exactly_once.py::test_a_process_that_is_killed_and_run_again",),
    ),
    Reference(
        "process/many-at-once",
        "Three real processes that publish the same window at once publish it once.",
        ("tests/pipeline/test_exactly_once.py::test_processes_that_publish_the_same_window_at_once",),
    ),
    Reference(
        "process/killed-on-s3",
        "A run that is broken off between two requests to S3 has published nothing wrong, and the next completes it.",
        ("tests/s3/test_kills_on_s3.py::test_killed_between_requests_and_run_again",),
    ),
    Reference(
        "process/triggerer-restart",
        "A real triggerer dies while a sensor waits, and another one goes on where it was.",
        ("tests/triggers/test_restart.py::test_a_waiting_sensor_survives_the_death_of_its_triggerer",),
    ),
    Reference(
        "storage/s3-busy",
        "Every fifth request to S3 is answered with 503 SlowDown or 500; all is published, once.",
        ("tests/s3/test_faulty_s3.py::test_a_request_that_fails_now_and_then_costs_nothing",),
    ),
    Reference(
        "storage/s3-down",
        "S3 answers all requests with 503 SlowDown or 500, at once or from some on; the next try publishes all.",
        ("tests/s3/test_faulty_s3.py::test_s3_that_is_down_for_long_fails_the_try_and_the_next_one_completes_it",),
    ),
    Reference(
        "storage/really-full-disk",
        "On a disk that is really full, the error names it, and with room the next run publishes all.",
        ("tests/pipeline/test_full_disk.py::test_on_a_disk_that_is_really_full",),
    ),
]


if __name__ == "__main__":
    print(*(test for reference in REFERENCES for test in reference.tests))

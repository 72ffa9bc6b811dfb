"""Folders on the local disk: of living tasks they stay, of killed ones they go, and nothing else is touched."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import real_time

from airflow_provider_zdirect.exceptions import (
    DiskFullError,
    StorageUnavailableError,
    ZDirectConfigurationError,
    ZDirectError,
)
from airflow_provider_zdirect.storage import scratch
from airflow_provider_zdirect.storage.row_files import ParquetWriter
from airflow_provider_zdirect.storage.scratch import PREFIX, scratch_folder

DIE = """
import os, signal, sys, tempfile
from airflow_provider_zdirect.storage.scratch import scratch_folder
tempfile.tempdir = sys.argv[1]
with scratch_folder() as folder:
    os.mkdir(f"{folder}/deeper")
    open(f"{folder}/deeper/rows.parquet", "wb").write(b"rows")
    os.symlink(sys.argv[2], f"{folder}/link")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def left(temporary: Path, tmp_path: Path) -> Path:
    """The folder of a task that was killed; in it is a link to a folder of somebody."""
    (tmp_path / "somebody's").mkdir()
    (tmp_path / "somebody's" / "file").write_text("dear")
    died = subprocess.run([sys.executable, "-c", DIE, str(temporary), str(tmp_path / "somebody's")], check=False)
    assert died.returncode == -signal.SIGKILL
    (folder,) = temporary.iterdir()
    assert (folder / "deeper" / "rows.parquet").exists()
    return folder


def age(path: Path, days: float) -> None:
    written = (real_time.now() - timedelta(days=days)).timestamp()
    os.utime(path, (written, written), follow_symlinks=False)


def run_a_task() -> None:
    with scratch_folder():
        pass


def test_a_folder_is_private_and_goes_with_its_task(temporary: Path) -> None:
    with scratch_folder() as folder:
        assert Path(folder).parent == temporary
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        (Path(folder) / "rows").write_bytes(b"rows")
    assert not list(temporary.iterdir())


def test_what_a_killed_task_has_left_goes_with_a_later_one_after_a_day(left: Path, tmp_path: Path) -> None:
    age(left, 0.9)
    run_a_task()
    assert left.exists()
    age(left, 1.1)
    run_a_task()
    assert not left.exists()
    assert (tmp_path / "somebody's" / "file").read_text() == "dear"


def test_the_folder_of_a_task_that_lives_for_days_stays(temporary: Path) -> None:
    with scratch_folder() as folder:
        age(Path(folder), 30)
        run_a_task()
        assert Path(folder).exists()
    assert not list(temporary.iterdir())


def test_a_folder_of_another_user_stays(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    age(left, 2)
    another = os.getuid() + 1
    with monkeypatch.context() as patched:
        patched.setattr(os, "getuid", lambda: another)
        run_a_task()
    assert left.exists()


def test_links_files_and_other_names_stay(temporary: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    link, file, rates = temporary / f"{PREFIX}link", temporary / f"{PREFIX}file", temporary / "zdirect-rates-0"
    link.symlink_to(target)
    file.write_text("a file")
    rates.mkdir()
    for path in (link, file, rates, target):
        age(path, 2)
    run_a_task()
    assert sorted(temporary.iterdir()) == sorted([link, file, rates])
    assert target.exists()


def test_where_there_are_no_locks_a_task_works_and_nothing_is_removed(
    left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    age(left, 2)
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", no_locks)
        run_a_task()
    assert left.exists()


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (errno.ENOSPC, DiskFullError, "no room left in the temporary directory {}: .* MB are free"),
        (errno.EDQUOT, DiskFullError, "quota of this user is used up in the temporary directory {}"),
        (errno.EROFS, ZDirectConfigurationError, "temporary directory {} cannot be written to: it is read-only"),
        (errno.EFBIG, ZDirectConfigurationError, "temporary directory {} cannot be written to: .*ulimit -f"),
        (errno.EMFILE, StorageUnavailableError, "temporary directory {} cannot be opened: too many files"),
    ],
)
def test_errors_of_the_disk_name_the_directory_and_what_to_do(
    temporary: Path, number: int, kind: type[ZDirectError], says: str
) -> None:
    with pytest.raises(kind, match=says.format(temporary)) as caught, scratch_folder():
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is kind
    assert caught.value.remedy
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EIO])
def test_errors_that_may_be_of_another_place_pass(temporary: Path, number: int) -> None:
    with pytest.raises(OSError, match="elsewhere") as caught, scratch_folder():
        raise OSError(number, "elsewhere")
    assert caught.value.errno == number


def test_arrow_says_that_a_disk_is_full_as_the_system_does(temporary: Path) -> None:
    rows = pa.table({"text": [str(number) for number in range(10_000)]})
    with pytest.raises(DiskFullError), scratch_folder():
        ParquetWriter(Path("/dev/full"), rows.schema).write(rows)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.ENAMETOOLONG])
def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_directory(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*arguments: object, **options: object) -> str:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(scratch.tempfile, "mkdtemp", fail)
    kind = DiskFullError if number == errno.ENOSPC else ZDirectConfigurationError
    with pytest.raises(kind, match=f"temporary directory {temporary}.*TMPDIR"), scratch_folder():
        pass


def test_no_usable_temporary_directory_at_all_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/1/nothing"])
    with pytest.raises(StorageUnavailableError, match=r"no temporary directory.*TMPDIR"), scratch_folder():
        pass

"""Histories: whatever was observed can be read back for any time, whoever published when and whoever was killed."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import base_paths
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exhaustive import exhaustive
from hypothesis import given, settings
from hypothesis import strategies as st
from item_rows import MERCHANT, table_of
from killing import Killed, kill_at
from state_extraction import StateExtraction

from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.publish.files import PublishedFile, PublishedState
from airflow_provider_zdirect.publish.history import RecordHistory, _Recording
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.record_versions import Version, as_one, observe
from airflow_provider_zdirect.publish.rounds import LaterObservation
from airflow_provider_zdirect.storage import row_files
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore

START = datetime(2026, 11, 20, tzinfo=UTC)
CHANNELS, TOURS = DATASETS["sales_channels"], DATASETS["tours"]

World = dict[str, str]
"""Name of a record to its content."""

worlds = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), max_size=4)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def seen(world: World, at: datetime) -> list[Version]:
    return [Version(key, at, ord(content)) for key, content in world.items()]


def replayed(observations: list[World]) -> list[Version]:
    history: list[Version] = []
    for number, world in enumerate(observations):
        history = observe(history, seen(world, day(number)), day(number))
    return history


def state(history: list[Version], at: datetime) -> World:
    """By definition: what is valid at a time, each record once."""
    valid = [v for v in history if v.valid_from <= at and (v.valid_to is None or at < v.valid_to)]
    assert len({version.key for version in valid}) == len(valid)
    return {version.key: chr(version.content) for version in valid}


@settings(max_examples=50)
@given(st.lists(worlds, max_size=8))
def test_the_state_at_any_time_is_the_last_observation_before_it(observations: list[World]) -> None:
    history = replayed(observations)
    for number, world in enumerate(observations):
        assert state(history, day(number)) == state(history, day(number + 0.999)) == world
    assert state(history, day(-0.001)) == {}
    assert state(history, day(99)) == (observations[-1] if observations else {})


@settings(max_examples=50)
@given(st.lists(worlds, max_size=8))
def test_versions_of_a_record_follow_one_another_and_two_neighbours_differ(observations: list[World]) -> None:
    for _, versions in itertools.groupby(replayed(observations), key=lambda version: version.key):
        for before, after in itertools.pairwise(versions):
            assert before.valid_to is not None
            assert before.valid_from < before.valid_to <= after.valid_from
            assert before.valid_to < after.valid_from or before.content != after.content


@settings(max_examples=50)
@given(st.lists(worlds, max_size=6), st.data())
def test_an_observation_that_is_made_again_changes_nothing(observations: list[World], data: st.DataObject) -> None:
    twice = [(number, world) for number, world in enumerate(observations) for _ in range(data.draw(st.integers(1, 2)))]
    history: list[Version] = []
    for step, (number, world) in enumerate(twice):
        at = day(number + step * 1e-6)
        history = observe(history, seen(world, at), at)
    assert [(version.key, version.content) for version in history] == [
        (version.key, version.content) for version in replayed(observations)
    ]


@settings(max_examples=50)
@given(worlds, worlds, st.sets(st.sampled_from("abcd")))
def test_what_was_not_asked_for_stays(before: World, after: World, scope: set[str]) -> None:
    asked = {key: content for key, content in after.items() if key in scope}
    history = observe(replayed([before]), seen(asked, day(1)), day(1), lambda version: version.key in scope)
    assert state(history, day(1)) == {key: content for key, content in before.items() if key not in scope} | asked


@settings(max_examples=50)
@given(st.lists(worlds, max_size=4), worlds, worlds)
def test_histories_that_parted_are_one_in_any_order_and_one_and_its_beginning_are_it(
    common: list[World], mine: World, others: World
) -> None:
    base = replayed(common)
    first, second = (observe(base, seen(world, day(10 + n)), day(10 + n)) for n, world in enumerate((mine, others)))
    assert as_one([first, second]) == as_one([second, first]) == as_one([first, second, base])
    assert as_one([base, first]) == first
    assert as_one([first, first]) == first
    one = as_one([first, second])
    # What began in either of them is there, for as long as neither says otherwise.
    for version in first:
        assert state(one, version.valid_from).get(version.key) == chr(version.content)
    assert state(one, day(10.5)) == mine


# ---------------------------------------------------------------------------------------------------- files


@dataclass(frozen=True)
class Channels:
    """A base path with a history of sales channels."""

    root: Path
    suffix: str = "parquet"
    pause: Any = time.sleep

    def history(self) -> RecordHistory:
        return RecordHistory(place_of(self.root, self.suffix), CHANNELS, self.pause)

    def record(self, world: World, at: datetime) -> PublishedState:
        return self.history().record(channel_rows(world, at), at)

    @property
    def reader(self) -> StateExtraction:
        return StateExtraction(None, self.root)  # type: ignore[arg-type]

    def published(self, dataset: str = "sales_channels") -> list[dict[str, Any]]:
        return self.reader.published(dataset)

    def state(self, at: datetime) -> World:
        return self.world(self.reader.valid_at("sales_channels", at))

    def current(self) -> World:
        rows = self.published("sales_channels_current")
        assert all(row["_valid_to"] is None for row in rows)
        return self.world(rows)

    def world(self, rows: list[dict[str, Any]]) -> World:
        found = {row["sales_channel_id"]: row["country_name"] for row in rows}
        assert len(found) == len(rows)
        return found

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


def place_of(root: Path, suffix: str = "parquet") -> Place:
    fs, name = base_paths.storage.open(root)
    return Place(fs, name, f"file://{root}", MERCHANT, "production", suffix.partition(".")[0])


def channel_rows(world: World, at: datetime) -> pa.Table:
    return table_of(CHANNELS.name, *({"sales_channel_id": key, "country_name": world[key]} for key in world), seen=at)


WORLDS: list[World] = [
    {"a": "x", "b": "x"},
    {"a": "x", "b": "y"},
    {"a": "x"},
    {"a": "x", "b": "y", "c": "z"},
    {"c": "z"},
]


def test_the_name_says_when_the_first_version_began_and_when_the_last_change_was(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    channels.record(WORLDS[0], day(0))
    path = channels.record(WORLDS[1], day(3)).files[0].path
    assert path.startswith(f"sales_channels/merchant_id={MERCHANT}/date=2026-11-23/")
    name = PublishedName.parse(path)
    assert name is not None
    assert (name.span.start, name.fetched) == (day(0), day(3))


def test_the_same_again_writes_nothing(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    channels.record(WORLDS[0], day(0))
    before = {path: (tmp_path / path).stat().st_mtime_ns for path in channels.files()}
    again = channels.record(dict(reversed(WORLDS[0].items())), day(1))
    assert {path: (tmp_path / path).stat().st_mtime_ns for path in channels.files()} == before
    assert (again.stored, again.changes) == (False, {"added": 0, "changed": 0, "removed": 0})


@pytest.mark.parametrize(
    ("seed", "suffix"), exhaustive([(seed, suffix) for seed in range(4) for suffix in ("parquet", "jsonl.gz")], 2)
)
def test_a_history_of_many_batches_is_what_the_observations_make_of_it_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, suffix: str
) -> None:
    monkeypatch.setattr(row_files, "BATCH_ROWS", 3)
    dice = random.Random(seed)
    observations = [{key: dice.choice("xyz") for key in "abcdefgh" if dice.random() < 0.7} for _ in range(8)]
    channels = Channels(tmp_path, suffix)
    for number, world in enumerate(observations):
        recorded = channels.record(world, day(number))
        assert channels.current() == world
        assert [file.rows for file in recorded.files] == [len(channels.published()), len(world)]
    for number, world in enumerate(observations):
        assert channels.state(day(number)) == channels.state(day(number + 0.9)) == world
    assert len(channels.files()) == 2
    assert len(channels.published()) == len(replayed(observations))
    if suffix == "parquet":
        (file,) = (tmp_path / "sales_channels").rglob("*.parquet")
        rows = pq.read_table(file, partitioning=None).to_pylist()
        assert rows == sorted(rows, key=lambda row: (row["sales_channel_id"], row["_valid_from"]))


def test_where_nothing_was_ever_seen_there_is_no_file(tmp_path: Path) -> None:
    recorded = Channels(tmp_path).record({}, day(0))
    assert (recorded.files, recorded.stored) == ([], False)
    assert Channels(tmp_path).files() == []


def test_when_all_are_gone_current_has_no_row_and_the_history_has_all(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    channels.record(WORLDS[0], day(0))
    channels.record({}, day(1))
    assert channels.current() == {}
    assert channels.state(day(0.5)) == WORLDS[0]


def test_current_is_repaired_by_any_run(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    channels.record(WORLDS[0], day(0))
    (lost,) = (tmp_path / "sales_channels_current").rglob("*.parquet")
    stale = lost.with_name(lost.name.replace(lost.stem[-16:], "0" * 16))
    lost.rename(stale)
    channels.record(WORLDS[0], day(1))
    assert not stale.exists()
    assert lost.exists()
    assert channels.current() == WORLDS[0]


def test_a_later_format_reads_the_former(tmp_path: Path) -> None:
    Channels(tmp_path, "jsonl.gz").record(WORLDS[0], day(0))
    channels = Channels(tmp_path)
    assert not channels.record(WORLDS[0], day(1)).stored, "the format alone is no change"
    channels.record(WORLDS[1], day(2))
    assert {path.rpartition(".")[2] for path in channels.files()} == {"parquet"}
    assert (channels.state(day(0)), channels.state(day(2))) == (WORLDS[0], WORLDS[1])


def test_an_observation_that_comes_too_late_is_refused_unless_it_says_the_same(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    channels.record(WORLDS[0], day(0))
    channels.record(WORLDS[1], day(2))
    before = channels.files()
    with pytest.raises(LaterObservation):
        channels.record(WORLDS[2], day(1))
    channels.record(WORLDS[1], day(1))
    assert channels.files() == before


def test_a_later_observation_is_named(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    for number in (0, 2, 4):
        channels.record(WORLDS[number // 2 % 2], day(number))
    with pytest.raises(LaterObservation) as caught:
        channels.record(WORLDS[2], day(1))
    assert caught.value.at == day(4)


def tour_rows(tours: dict[tuple[str, str], str], at: datetime) -> pa.Table:
    records = (
        {"zalando_advice_id": advice, "tour_number": number, "type": kind} for (advice, number), kind in tours.items()
    )
    return table_of(TOURS.name, *records, seen=at)


def test_only_what_was_asked_for_can_be_gone(tmp_path: Path) -> None:
    history = RecordHistory(place_of(tmp_path), TOURS)
    one, two, three = ("00000001", "t1"), ("00000002", "t2"), ("00000002", "t3")
    history.record(tour_rows(dict.fromkeys((one, two, three), "NEW"), day(0)), day(0))
    recorded = history.record(tour_rows({two: "OTHER"}, day(1)), day(1), ("zalando_advice_id", ["00000002"]))
    assert recorded.changes == {"added": 0, "changed": 1, "removed": 1}
    rows = history.read().valid.to_pylist()
    assert sorted((row["tour_number"], row["type"]) for row in rows) == [("t1", "NEW"), ("t2", "OTHER")]


def test_a_process_that_is_killed_at_any_change_of_the_base_path_and_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for moment in itertools.count(1):
        channels = Channels(tmp_path / str(moment))
        channels.record(WORLDS[0], day(0))
        killed = False
        with monkeypatch.context() as patched:
            kill_at(moment, patched)
            try:
                channels.record(WORLDS[1], day(1))
            except Killed:
                killed = True
        # The retry finds that things have gone on; what the killed one saw was so, or was never published.
        channels.record(WORLDS[2], day(2))
        assert channels.state(day(0.5)) == WORLDS[0]
        assert channels.state(day(1.5)) in (WORLDS[0], WORLDS[1])
        assert channels.state(day(2)) == channels.current() == WORLDS[2]
        assert len(channels.files()) == 2, f"killed at change {moment}"
        if not killed:
            break
    assert moment > 4, "there are more changes than that"


def test_a_killed_run_does_not_take_away_what_another_has_recorded_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between its writing and its looking again, while another run was done in the meantime."""
    channels = Channels(tmp_path)
    channels.record(WORLDS[0], day(0))
    listing, deleting = RecordHistory.files, ObjectStore.delete
    to_come = [lambda: channels.record({"a": "z"}, day(1))]

    def files(self: RecordHistory, layout: Layout) -> list[str]:
        found = listing(self, layout)
        while to_come:
            to_come.pop()()
        return found

    def delete(self: ObjectStore, path: str) -> None:
        if at_work:
            deleting(self, path)
        else:
            raise Killed

    at_work = to_come.copy()
    to_come[0] = lambda: (channels.record({"a": "z"}, day(1)), at_work.clear())  # type: ignore[return-value]
    with monkeypatch.context() as patched:
        patched.setattr(RecordHistory, "files", files)
        patched.setattr(ObjectStore, "delete", delete)
        # It has listed the file that the other deletes, so it looks again, and puts its own behind the other's.
        with pytest.raises(Killed):
            channels.record(WORLDS[1], day(2))
    channels.record(WORLDS[2], day(3))
    assert [channels.state(day(n)) for n in (0, 1, 2, 3)] == [WORLDS[0], {"a": "z"}, WORLDS[1], WORLDS[2]]
    assert len(channels.files()) == 2


def test_files_of_runs_that_met_and_died_become_one(tmp_path: Path) -> None:
    """Two that both began from the first file, and died before they looked again."""
    for name, world, at in (("one", {"a": "x", "b": "y"}, day(1)), ("two", {"a": "y", "b": "x"}, day(2))):
        part = Channels(tmp_path / name)
        part.record(WORLDS[0], day(0))
        part.record(world, at)
        for path in part.files():
            if path.startswith("sales_channels/"):
                target = tmp_path / "both" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((part.root / path).read_bytes())
    both = Channels(tmp_path / "both")
    both.record({"a": "y", "b": "x"}, day(3))
    assert both.state(day(0)) == WORLDS[0]
    assert both.state(day(1)) == {"a": "x", "b": "y"}
    assert both.state(day(3)) == both.current() == {"a": "y", "b": "x"}
    assert len(both.files()) == 2


@pytest.mark.parametrize("seed", exhaustive(range(4)))
def test_runs_at_the_same_time_end_with_the_latest_observation_and_lose_none(tmp_path: Path, seed: int) -> None:
    """Each thread sees a world of its own; who is refused looks once more, later, as ``extract`` does."""
    channels = Channels(tmp_path)
    channels.record({"base": "x"}, day(0))
    times, lock = itertools.count(1), threading.Lock()
    done: list[tuple[datetime, World]] = []

    def run(number: int) -> None:
        world = {"base": "x", f"own{number}": "x", "shared": str(number + seed)}
        while True:
            with lock:
                at = day(next(times) / 1000)
            try:
                channels.record(world, at)
            except LaterObservation:
                time.sleep(random.uniform(0, 0.5))
                continue
            done.append((at, world))
            return

    with ThreadPoolExecutor(max_workers=4) as pool:
        for finished in [pool.submit(run, number) for number in range(4)]:
            finished.result()
    # Of a run that was refused, and that met another before it took its file away, something may be seen for a while.
    for at, world in done:
        assert world.items() <= channels.state(at).items()
    assert channels.current() == channels.state(day(99)) == max(done, key=lambda item: item[0])[1]
    assert len(channels.files()) == 2


def test_the_same_observation_by_several_at_once_is_there_once(tmp_path: Path) -> None:
    # The real pauses: shortened ones are soon no longer than a round on a busy machine, and then the runs keep meeting.
    channels = Channels(tmp_path)
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda _: channels.record(WORLDS[3], day(0)), range(4)))
    assert channels.current() == channels.state(day(0)) == WORLDS[3]
    assert len(channels.files()) == 2


def test_a_record_of_another_text_that_says_the_same_is_the_same(tmp_path: Path) -> None:
    history = Channels(tmp_path).history()
    one, other = (
        {"sales_channel_id": "a", "country_name": "x"},
        {"country_name": "x", "sales_channel_id": "a", "new": ""},
    )
    assert history.record(table_of(CHANNELS.name, one), day(0)).stored
    for number in (1, 2):
        recorded = history.record(table_of(CHANNELS.name, other, seen=day(number)), day(number))
        assert (recorded.stored, recorded.changes) == (False, {"added": 0, "changed": 0, "removed": 0})
    changed = history.record(table_of(CHANNELS.name, {**other, "new": "x"}, {**one, "sales_channel_id": "b"}), day(3))
    assert changed.changes == {"added": 1, "changed": 1, "removed": 0}


def test_an_observation_is_said_to_be_held_by_the_file_in_which_nothing_is_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = Channels(tmp_path)
    first = channels.record(WORLDS[0], day(0))
    assert first.held_by == channels.record(WORLDS[0], day(1)).held_by == channels.files()[0]
    keep_current, to_come = _Recording._keep_current, [lambda: channels.record({"a": "z"}, day(3))]

    def keep_after_another(self: _Recording, *arguments: Any) -> PublishedFile | None:
        while to_come:
            to_come.pop()()
        return keep_current(self, *arguments)

    monkeypatch.setattr(_Recording, "_keep_current", keep_after_another)
    met = channels.record(WORLDS[1], day(2))
    assert channels.current() == {"a": "z"}
    assert met.held_by not in channels.files()
    assert met.files[0].path in channels.files()


@pytest.fixture
def tmp_path(tmp_path: Path, storage: str) -> Iterator[Path]:
    """Where a test has its base path; nothing is left in staging."""
    yield tmp_path
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "_staging" in path.parts]

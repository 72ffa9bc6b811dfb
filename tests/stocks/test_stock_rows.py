"""What a feed asks for, what an answer says, and what a minute holds: laws, without any request."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stock_world import ean

from airflow_provider_zdirect.client.pace import Pace
from airflow_provider_zdirect.exceptions import (
    MalformedResponseError,
    StorageUnavailableError,
    ZDirectConfigurationError,
)
from airflow_provider_zdirect.stocks import feed as feed_module
from airflow_provider_zdirect.stocks.answer import outcomes
from airflow_provider_zdirect.stocks.feed import ROWS, Feed, FeedFiles, FeedRow
from airflow_provider_zdirect.stocks.level import TAKEN, Sent, as_table, levels_of, of_table
from airflow_provider_zdirect.stocks.log_rows import ended
from airflow_provider_zdirect.stocks.sent_log import Known
from airflow_provider_zdirect.stocks.stock_updates import BATCH, rate_of
from airflow_provider_zdirect.stocks.wanted_levels import OpenPieces, Piece, wanted_levels

NOW = datetime(2026, 3, 10, 8, tzinfo=UTC)
CHANNELS = ["c1", "c2"]
TIMES = {"new.csv": NOW, "old.csv": NOW - timedelta(minutes=1)}

feed_rows = st.builds(
    lambda number, code, channel, quantity, file: FeedRow(
        file,
        f"row {number}",
        "" if quantity is not None else "quantity is missing",
        ean=ean(code),
        channel=channel,
        quantity=quantity,
    ),
    st.integers(1, 99),
    st.integers(1, 3),
    st.sampled_from([None, "c1", "c9"]),
    st.one_of(st.none(), st.integers(0, 3)),
    st.sampled_from(list(TIMES)),
)


@given(
    st.lists(feed_rows, max_size=8, unique_by=lambda row: (row.file, row.where)),
    st.dictionaries(st.integers(1, 3).map(ean), st.integers(0, 4)),
)
@settings(max_examples=100)
def test_every_row_counts_or_is_rejected_or_is_superseded_and_no_level_is_guessed(
    rows: list[FeedRow], ordered: dict[str, int]
) -> None:
    pieces = OpenPieces({code: [Piece(NOW)] * count for code, count in ordered.items()}, NOW)
    feed = Feed(times=TIMES)
    for file in TIMES:
        feed.add(ROWS.empty_table(), [row for row in rows if row.file == file])
    wanted = wanted_levels(feed, CHANNELS, pieces)
    levels = levels_of(wanted.levels)
    assert len(levels) == wanted.levels.num_rows
    for (channel, code), level in levels.items():
        said = [row for row in rows if row.ean == code and row.channel == channel]
        said = said or [row for row in rows if row.ean == code and row.channel is None]
        newest = max(TIMES[row.file] for row in said)
        quantities = {row.quantity for row in said if TIMES[row.file] == newest}
        assert len(quantities) == 1, "contradicting rows are not sent"
        (quantity,) = quantities
        assert quantity is not None
        assert level.quantity == max(0, quantity - ordered.get(code, 0))
    groups = {(row.ean, row.channel) for row in rows}
    counting = {
        (row.ean, row.channel) for row in rows if (row.channel or "c2", row.ean) in levels and row.quantity is not None
    }
    assert len(rows) == len(wanted.bad) + wanted.superseded + len(counting)
    assert len(counting) <= len(groups)


def sent(code: int, quantity: int = 1, *, minute: int = 0, version: int = 0, outcome: str | None = None) -> Sent:
    version_time = NOW + timedelta(minutes=version)
    return Sent("c1", ean(code), quantity, version_time, NOW, NOW + timedelta(minutes=minute), "r", outcome)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from([None, "accepted", "rejected", "failed"])),
        max_size=8,
    ),
    st.randoms(),
    st.integers(0, 8),
)
@settings(max_examples=100)
def test_what_was_sent_comes_to_the_same_in_any_order_and_however_it_was_compacted(made, dice, cut) -> None:
    items = [sent(1, version, minute=minute, version=version, outcome=outcome) for version, minute, outcome in made]
    whole = Known()
    whole.add(items)
    shuffled = [*items, *items]
    dice.shuffle(shuffled)
    part = ended(as_table(shuffled[:cut]))
    rest = Known()
    for some in (of_table(part), shuffled[cut:], of_table(part)):
        rest.add(some)
    compacted_again = of_table(ended(as_table([*of_table(part), *shuffled[cut:]])))
    for some in (items, [item for item in items if item.outcome in TAKEN]):
        left = [item for item in compacted_again if some is items or item.outcome in TAKEN]
        assert max((item.order for item in left), default=None) == max((item.order for item in some), default=None)
    found, expected = rest.newest.get(("c1", ean(1))), whole.newest.get(("c1", ean(1)))
    assert (found and found.order) == (expected and expected.order)


@given(st.lists(st.tuples(st.integers(1, BATCH), st.floats(0, 40)), max_size=60))
@settings(max_examples=40)
def test_no_minute_holds_more_requests_or_updates_than_are_allowed(batches: list[tuple[int, float]]) -> None:
    pace, now, sent_at = Pace(), 0.0, []
    for updates, pause in batches + [(BATCH, 0.0)] * 20 + [(1, 0.0)] * 70:
        pace, now = pace.reserve(now + pause, rate_of(updates))
        sent_at.append((now, updates))
    for start, _ in sent_at:
        # They may come closer to each other on their way, by a second.
        minute = [updates for at, updates in sent_at if start <= at < start + 60]
        assert sum(updates for at, updates in sent_at if start <= at < start + 61) <= 2_000
        assert len(minute) <= 60


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ({"status": "ACCEPTED", "code": 0}, "accepted"),
        ({"status": "accepted", "code": "0"}, "accepted"),
        ({"code": "0"}, "accepted"),
        ({"status": "REJECTED", "code": "101", "description": "no"}, "rejected"),
        ({"status": "FAILED", "code": 102}, "failed"),
        ({"status": "FAILED", "code": "104"}, "pending"),
        ({"status": "REJECTED", "code": 104}, "pending"),
        ({"status": "ACCEPTED", "code": 104}, "pending"),
        ({"status": "POSTPONED", "code": 7}, "failed"),
        ({}, "failed"),
        (None, "failed"),
    ],
)
@pytest.mark.parametrize("key", ["results", "items"])
def test_an_item_is_accepted_only_if_zdirect_says_so(key: str, result: object, outcome: str) -> None:
    row = {"item": {"sales_channel_id": "C1", "ean": ean(1)}, "result": result}
    (found,) = outcomes([sent(1)], {key: [row]}, what="stock")
    assert found.outcome == outcome


def test_what_an_answer_leaves_out_or_says_twice_is_not_accepted() -> None:
    def row(code: int, status: str) -> dict[str, object]:
        return {"item": {"sales_channel_id": "c1", "ean": int(ean(code))}, "result": {"status": status}}

    answer = {"results": [row(1, "ACCEPTED"), row(1, "FAILED"), row(9, "ACCEPTED"), None, {"item": 3}]}
    found = outcomes([sent(1), sent(2)], answer, what="stock")
    assert [item.outcome for item in found] == ["failed", "missing"]
    for nonsense in ({}, [], None, "ok", {"results": {}}):
        with pytest.raises(MalformedResponseError):
            outcomes([sent(1)], nonsense, what="stock")


def test_files_of_every_kind_in_a_folder_are_one_feed_and_the_newest_says_what_is_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"EAN13;Qty\n{ean(1)};1\n{ean(2)};2\n")
    pq.write_table(pa.table({"ean": [int(ean(2))], "quantity": [7.0]}), tmp_path / "b.parquet")
    (tmp_path / "c.jsonl").write_text(f'{{"ean": "{ean(3)}", "quantity": 3}}\n{{"ean": "{ean(4)}"}}\n')
    (tmp_path / "_half.csv").write_text("x")
    (tmp_path / "notes.txt").write_text("x")
    for minute, name in enumerate(("a.csv", "b.parquet", "c.jsonl")):
        os.utime(tmp_path / name, (NOW.timestamp() + 60 * minute,) * 2)
    feed = read(tmp_path, now=NOW + timedelta(days=1))
    wanted = wanted_levels(feed, ["c1"])
    assert {code: level.quantity for (_, code), level in levels_of(wanted.levels).items()} == {
        ean(1): 1,
        ean(2): 7,
        ean(3): 3,
    }
    assert wanted.superseded == 1
    assert [(str(row.source), row.reason) for row in wanted.bad] == [("row 2 of c.jsonl", "quantity is missing")]
    assert Counter(feed.times.values()) == Counter(NOW + timedelta(minutes=minute) for minute in range(3))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.csv", f"ean,quantity,name\n{ean(1)},1,shoe\n{ean(2)},0,shirt, red\n", ["it has 4 fields, and the header"]),
        ("s.jsonl", f'{{"ean": {ean(1)}, "quantity": 1}}\n{{"quantity": 3}}\n{{\n', ["no column ean", "is not JSON"]),
        ("s.csv", f"ean;quantity\n{ean(1)};1.0\n{ean(2)};1.000\n{ean(3)};1,000\n", ["may be thousands"] * 2),
        ("s.csv", f"ean,price,quantity\n{ean(1)},1,1\n{ean(2)},19,99,\n", ["it has 4 fields, and the header has 3"]),
        ("s.csv", f"ean,quantity,name\n{ean(1)},1,x\n{ean(2)},1,200,\n", ["it has 4 fields, and the header has 3"]),
        ("s.csv", f"ean;quantity\n{ean(1)};1.00\n{ean(2)};1.0000\n", ["is not a whole number"]),
        ("s.csv", f'ean,quantity,name\n{ean(2)},"3 pieces,shoe\n{ean(1)},1,"Size 7', ["quote"]),
    ],
)
def test_a_row_that_is_none_does_not_stop_the_others(tmp_path: Path, name: str, content: str, said: list[str]) -> None:
    (tmp_path / name).write_text(content)
    feed = read(tmp_path / name)
    good = [row for row in known(feed) if row.quantity is not None]
    bad = [*feed.wrong.values(), *feed.bad]
    assert [(row.ean, row.quantity) for row in good] == [(ean(1), 1)]
    assert [text in row.reason for text, row in zip(said, bad, strict=True)] == [True] * len(said)
    assert feed.count == 1 + len(said)
    assert all(row.content for row in bad)


def test_a_broken_file_of_a_folder_does_not_stop_the_others_and_one_that_is_gone_is_read_by_the_retry(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_text(f"ean,quantity\n{ean(1)},1\n")
    (tmp_path / "b.csv").write_text("")
    files = FeedFiles(LocalFileSystem(), str(tmp_path), "feed", NOW)
    feed = files.read(files.find(), None, NOW)
    assert feed.rows["ean"].to_pylist() == [ean(1)]
    assert ["it is empty" in row.reason for row in feed.bad] == [True]
    found = files.find()
    (tmp_path / "a.csv").unlink()
    with pytest.raises(StorageUnavailableError, match="is gone"):
        files.read(found, None, NOW)
    (tmp_path / "c.csv").write_text("article\n1\n")
    with pytest.raises(ZDirectConfigurationError, match=r"b\.csv': it is empty\. .*c\.csv': .* no column ean"):
        files.read(files.find(), None, NOW)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("stock.csv", "article,quantity\n1,2\n", "no column ean or merchant_sku"),
        ("stock.csv", f"ean,amount\n{ean(1)},2\n", "no column quantity"),
        ("stock.csv", f"ean,quantity\n{ean(1)}\n", "row 2: it has 1 field, and"),
        ("stock.csv", "", "it is empty"),
        ("stock.jsonl", "{\n", "row 1: it is not JSON"),
        ("stock.txt", "x", "of an unknown kind"),
    ],
)
def test_what_is_no_feed_is_an_error_that_says_why(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ZDirectConfigurationError, match=said):
        read(tmp_path / name)


def known(feed: Feed) -> list[FeedRow]:
    return feed.at(np.arange(feed.rows.num_rows))


def read(path: Path, feed_time: datetime | None = None, now: datetime = NOW) -> Feed:
    files = FeedFiles(LocalFileSystem(), str(path), path.name, feed_time)
    return files.read(files.find(), None, now)


def test_a_feed_that_is_replaced_while_it_is_read_is_left_to_the_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text(f"ean,quantity\n{ean(1)},1\n")
    times = iter([NOW, NOW + timedelta(minutes=1)])
    monkeypatch.setattr(LocalFileSystem, "modified", lambda *_: next(times))
    with pytest.raises(StorageUnavailableError, match="was replaced"):
        read(tmp_path / "a.csv")


def test_a_folder_with_files_of_other_kinds_only_is_an_error_that_names_them(tmp_path: Path) -> None:
    files = FeedFiles(LocalFileSystem(), str(tmp_path), "feed", NOW)
    for passing in ("~$stock.csv", ".DS_Store", "_SUCCESS", "stock.csv.tmp", "stock.csv~"):
        (tmp_path / passing).write_text("x")
    (tmp_path / "old.csv").mkdir()
    assert files.find() == [], "there is no feed (yet)"
    for other in ("stock.xlsx", "stock.txt", "stock.csv.zip"):
        (tmp_path / other).write_text("x")
    with pytest.raises(ZDirectConfigurationError) as caught:
        files.find()
    assert "only files of other kinds: stock.csv.zip, stock.txt, stock.xlsx" in str(caught.value)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(f"ean,quantity\n{ean(1)},1\n".encode()))
    (tmp_path / "b.tsv").write_text(f"ean\tquantity\n{ean(2)}\t2\n")
    feed = files.read(files.find(), None, NOW)
    assert {row.ean: row.quantity for row in known(feed)} == {ean(1): 1, ean(2): 2}


@pytest.mark.parametrize("text", [pa.string_view(), pa.large_string(), pa.string()])
def test_parquet_of_other_programs_is_read_whatever_its_texts_are_kept_as(tmp_path: Path, text: pa.DataType) -> None:
    eans = pa.array([ean(1), ean(2), "x"], text)
    pq.write_table(pa.table({"ean": [*eans.to_pylist()], "sku": eans, "stock": [1, 2, 3]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"ean": eans, "stock": [1, 2, 3]}), tmp_path / "b.parquet")
    for name in ("a.parquet", "b.parquet"):
        feed = read(tmp_path / name)
        assert {row.ean: row.quantity for row in known(feed)} == {ean(1): 1, ean(2): 2}
        assert [row.where for row in feed.bad] == ["row 3"]


def test_a_merchant_sku_that_cannot_be_read_rejects_its_row(tmp_path: Path) -> None:
    skus = {"a": pa.array([b"\xff", b"b"]).view(pa.string()), "b": pa.array([2.0**25, 1.0], pa.float32())}
    for name, column in skus.items():
        table = pa.table({"ean": [ean(1), ean(2)], "merchant_sku": column, "quantity": [1, 2]})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        feed = read(tmp_path / f"{name}.parquet")
        assert {row.ean: row.quantity for row in known(feed)} == {ean(2): 2}
        assert [(row.where, "merchant_sku" in row.reason) for row in feed.bad] == [("row 1", True)]


CELLS = st.sampled_from(
    [
        *(ean(1), ean(2), ean(3), "0012345678905", "12345678905", "4006381333930", "4006381000000", f'"{ean(1)}"', ""),
        *("5", "007", "999999999", "2147483648", "-1", "2.0", "1.000", " 3", '"4"', "x", "Ä", 'a "b"'),
        *("5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24", "5B1F6A52-9D3C-4D6E-8F3A-0C9A5B7E1D24", "5b1f6a52"),
    ]
)
LIKELY = st.tuples(
    st.one_of(st.integers(1, 5).map(ean), CELLS),
    st.one_of(st.integers(0, 9).map(str), CELLS),
    st.one_of(st.sampled_from(["", "5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24"]), CELLS),
)
LINES = st.lists(
    st.one_of(
        LIKELY.map(list),
        LIKELY.map(list),
        st.lists(CELLS, max_size=5),
        st.just(["ean", "quantity", "sales_channel_id"]),
    ),
    max_size=12,
)


@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([",", ";"]), st.booleans())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_that_are_read_in_columns_are_read_as_one_by_one(
    tmp_path: Path, lines: list[list[str]], end: str, delimiter: str, has_channel: bool
) -> None:
    width = 3 if has_channel else 2
    header = ["ean", "quantity", "sales_channel_id"][:width]
    text = end.join(delimiter.join(cells[:width]) for cells in [header, *lines])
    (tmp_path / "a.csv").write_text(text, newline="")
    found = []
    for patterns in (feed_module.PLAIN, {**feed_module.PLAIN, "ean": "^nothing$"}):
        with pytest.MonkeyPatch.context() as changed:
            changed.setattr(feed_module, "PLAIN", patterns)
            try:
                feed = read(tmp_path / "a.csv", NOW)
            except ZDirectConfigurationError as error:
                found.append((str(error),))
                continue
        wanted = wanted_levels(feed, CHANNELS)
        bad = Counter((row.where, row.reason, str(row.content)) for row in wanted.bad)
        found.append((levels_of(wanted.levels), bad, wanted.superseded, feed.count))
    assert found[0] == found[1]

"""A full stock sync against the emulator, with its limits on and its clock as the client's: nobody waits in real time.

python benchmarks/stock_updates.py [--pairs 500000]

One row in a hundred is bad, one update in a hundred fails at the first try. Checks, and ends with 1 otherwise: every
good pair has its level at zDirect, the results hold each pair once, no minute held more than 60 requests or 2,000
updates, no request was refused for its rate, and a second run, in a process of its own, sends nothing and takes at most
400 MB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import duckdb

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT / "tests"))
sys.path.insert(0, str(PROJECT / "tests" / "stocks"))

from rounds import run, save  # noqa: E402
from stock_world import StockWorld, ean, stock_emulator  # noqa: E402

MOST_MB = 400.0
"""Of the second run, beside what Airflow takes; the process has no Airflow."""


def main() -> int:
    cli = argparse.ArgumentParser(description="Stock updates.")
    cli.add_argument("--pairs", type=int, default=500_000)
    args = cli.parse_args()
    with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch, stock_emulator() as emulator:
        world = StockWorld(emulator, Path(scratch) / "zdirect")
        failures = measure(world, args.pairs)
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def measure(world: StockWorld, pairs: int) -> list[str]:
    channels = tuple(world.channels[:2])
    rows = [{"ean": ean(number), "quantity": number % 20} for number in range(pairs // len(channels))]
    for bad in rows[::100]:
        bad["quantity"] = -1
    world.write("stock.csv", rows)
    world.emulator.set_options(stocks_failed=0.01)
    job = world.job(sales_channel_ids=channels, max_rejected=len(rows) // 100 + 1)
    began, emulated = time.monotonic(), world.clock.now()
    result = world.run(job)
    seconds, waited = time.monotonic() - began, world.clock.now() - emulated
    statuses = [request.status for request in world.posts()]
    requests, updates = world.busiest_minute()
    wanted = {
        (channel, row["ean"]): row["quantity"] for channel in channels for row in rows if int(str(row["quantity"])) >= 0
    }
    task = {
        "url": world.emulator.url,
        "folder": str(world.root),
        "feed": job.feed.path,
        "merchant_id": world.merchant_id,
        "channels": channels,
        "max_rejected": job.max_rejected,
        "now": world.clock.now().isoformat(),  # A later feed with the same levels.
    }
    again = run("contestants/stock_again.py", task)
    print(
        f"{result['pairs']} pairs, {result['rejected']} bad rows: {len(statuses)} requests, {result['updates']} updates"
    )
    print(f"by the emulator's clock: {waited / timedelta(minutes=1):.1f} minutes")
    print(f"busiest minute: {requests} requests, {updates} updates; answered 429: {statuses.count(429)}")
    print(f"work of client and emulator: {seconds:.1f} s")
    print(f"a second run without changes: {again['seconds']:.1f} s, peak memory {again['peak_mb']:.0f} MB")
    save("stock_updates", {"pairs": pairs, "seconds": round(seconds, 1), "again": again})
    files = f"{world.root}/stock_updates/**/*.parquet"
    counts = duckdb.sql(
        "SELECT count(*), count(DISTINCT (sales_channel_id, ean)), count(*) FILTER (outcome = 'accepted') "
        f"FROM read_parquet('{files}')"
    ).fetchall()[0]
    checks = {
        "a level is wrong or missing": world.levels() == wanted,
        f"the results hold {counts} instead of {len(wanted)} pairs": counts == (len(wanted),) * 3,
        "a limit was exceeded": requests <= 60 and updates <= 2000 and 429 not in statuses,
        "the second run sent something": again["sent"] == 0 and again["unchanged"] == len(wanted),
        f"the second run took {again['peak_mb']:.0f} MB": again["peak_mb"] <= MOST_MB,
    }
    return [failure for failure, holds in checks.items() if not holds]


if __name__ == "__main__":
    sys.exit(main())

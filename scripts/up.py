"""``make up``: Airflow's UI with an emulator behind it, until Ctrl-C.

Everything it writes is below ``.up`` and stays there for the next time.
"""

from __future__ import annotations

import sys
import time

from local_airflow import PROJECT, LocalAirflow
from sessions import StartError


def main() -> int:
    airflow = LocalAirflow(PROJECT / ".up")
    try:
        print("Starting the emulator and Airflow (a minute or two) ...", flush=True)
        with airflow.running():
            airflow.start_scheduling()
            print(
                f"\nAirflow:   {airflow.url}   (no login: everybody on this machine is admin)\n"
                f"Emulator:  {airflow.emulator_url}   (connection zdirect_default, login demo)\n"
                "           The connection is in the environment, so the list in the UI does not show it.\n"
                f"Data:      {airflow.data.relative_to(PROJECT)}\n"
                f"Logs:      {airflow.logs.relative_to(PROJECT)}\n"
                "DAGs:      dags (a file that you put there is seen after some seconds)\n"
                f"CLI:       {airflow.write_cli().relative_to(PROJECT)} ..., "
                "for example: connections test zdirect_default\n\n"
                "Unpause or trigger a DAG in the UI (unpausing starts its last run). Ctrl-C stops everything.",
                flush=True,
            )
            while True:
                airflow.check()
                time.sleep(1)
    except KeyboardInterrupt:
        print("\nStopped; nothing is left running.")
        return 0
    except StartError as error:
        print(f"\n{error}\nLogs: {airflow.logs.relative_to(PROJECT)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

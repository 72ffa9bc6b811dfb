"""Fuzzing guided by coverage: atheris looks for bytes that lead to new paths through the package.

    python tests/fuzz/run.py                  # every target, FUZZ_SECONDS (60) each
    python tests/fuzz/run.py answers stored   # these targets

What a target fails with is kept in ``build/fuzz``; after the fix it belongs into ``corpus/<target>``.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
CORPUS = TESTS / "fuzz" / "corpus"
FOUND = TESTS.parent / "build" / "fuzz"
LIMITS = ("-timeout=20", "-rss_limit_mb=3000", "-max_len=20000", "-print_final_stats=1")


def run_all(targets: list[str], seconds: int) -> int:
    """Each target in a process of its own; how many of them failed."""
    failed = 0
    for target in targets:
        new = FOUND / target
        new.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, __file__, "--one", target, str(new), str(CORPUS / target)]
        command += [*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={new}-", f"-dict={_words()}"]
        process = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        lines = process.stderr.splitlines()
        executed = next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "?")
        seen = next((line for line in reversed(lines) if " cov: " in line), "")
        print(f"{target}: {'ok' if process.returncode == 0 else 'FAILED'}, {executed} examples; {seen}", flush=True)
        if process.returncode != 0:
            failed += 1
            print((process.stdout + process.stderr)[-4000:])
    return failed


def _words() -> Path:
    """Words to insert, as libFuzzer reads them."""
    from seeds import WORDS

    path = FOUND / "words.dict"
    texts = ("".join(f"\\x{byte:02x}" for byte in word) for word in WORDS)
    path.write_text("".join(f'"{text}"\n' for text in texts), encoding="ascii")
    return path


def run_one(target: str) -> None:
    import atheris

    sys.path.insert(0, str(TESTS))
    import airflow_home  # noqa: F401

    # A log line for each of thousands of damaged files.
    logging.disable()
    with atheris.instrument_imports(include=["airflow_provider_zdirect"]):
        from fuzz.targets import TARGETS

        # Imports the rest, Airflow included, which takes longer than an example may.
        TARGETS[target](b"")
    atheris.Setup(sys.argv, TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        chosen = sys.argv.pop(2)
        sys.argv.pop(1)
        run_one(chosen)
    else:
        names = sys.argv[1:] or sorted(path.name for path in CORPUS.iterdir())
        sys.exit(min(run_all(names, int(os.environ.get("FUZZ_SECONDS", "60"))), 1))

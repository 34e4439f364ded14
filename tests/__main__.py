"""Everything that is checked, in one command: `python -m tests`.

Format, lint, types, tests, and the printed parts of the documents. All of them run even when one
fails; the exit status is 0 only when all passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

COVERAGE = ("--cov=transforms", "--cov-report=term-missing:skip-covered")
"""Where Python itself counts what is reached; before 3.12 the tests would take twice as long."""

CHECKS = (
    ("format", "ruff", "format", "--check", "."),
    ("lint", "ruff", "check", "."),
    ("types", "mypy"),
    ("tests", "pytest", "-rs", *(COVERAGE if sys.version_info >= (3, 12) else ())),
)


def main() -> int:
    """Runs the checks; arguments go to pytest."""
    failed = []
    environment = {**os.environ, "COVERAGE_CORE": "sysmon"}
    for name, tool, *arguments in CHECKS:
        print(f"\n== {name}", flush=True)
        more = sys.argv[1:] if tool == "pytest" else []
        command = [sys.executable, "-m", tool, *arguments, *more]
        run = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if run.returncode:
            failed.append(name)
    print(f"\nfailed: {', '.join(failed)}" if failed else "\nall checks passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

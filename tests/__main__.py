"""Everything that is checked, in one command: `python -m tests`.

Format, lint, types, tests with coverage, and the printed parts of the documents. All of them run
even when one fails; the exit status is 0 only when all passed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CHECKS = (
    ("format", "ruff", "format", "--check", "."),
    ("lint", "ruff", "check", "."),
    ("types", "mypy"),
    ("tests", "pytest", "-rs", "--cov=transforms", "--cov-report=term-missing:skip-covered"),
)


def main() -> int:
    """Runs the checks; arguments go to pytest."""
    failed = []
    for name, tool, *arguments in CHECKS:
        print(f"\n== {name}", flush=True)
        more = sys.argv[1:] if tool == "pytest" else []
        run = subprocess.run([sys.executable, "-m", tool, *arguments, *more], cwd=ROOT, check=False)
        if run.returncode:
            failed.append(name)
    print(f"\nfailed: {', '.join(failed)}" if failed else "\nall checks passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The record by hand: `python -m recording COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from peewee import DatabaseError, InterfaceError

from recording import commands
from recording.database import DEFAULT_URL


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except (ValueError, OSError, DatabaseError, InterfaceError) as exc:
        print(f"{options.command}: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; what is done stays done", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    match options.command:
        case "prune":
            return commands.prune(options.db, days=options.days, megabytes=options.mb)
        case "vacuum":
            return commands.vacuum(options.db, full=options.full)
        case "check":
            return commands.check(options.db)
        case "backup":
            return commands.backup(options.db, options.file)
        case _:
            return commands.copy(options.source, options.target)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m recording",
        description="The record by hand. Proxies may go on writing to it meanwhile.",
    )
    named = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    on_one = argparse.ArgumentParser(add_help=False)
    on_one.add_argument("--db", default=DEFAULT_URL, metavar="URL", help=f"default: {DEFAULT_URL}")
    prune = named.add_parser("prune", parents=[on_one], help="remove the oldest sessions")
    prune.add_argument("--days", type=_count, default=0, help="those not used for so many days")
    prune.add_argument(
        "--mb", type=_count, default=0, help="until the rest takes so many megabytes"
    )
    vacuum = named.add_parser("vacuum", parents=[on_one], help="give free space back")
    vacuum.add_argument(
        "--full",
        action="store_true",
        help="rewrite all of it; meanwhile the proxy's records wait in its spill file",
    )
    named.add_parser("check", parents=[on_one], help="tell whether the record is in order")
    backup = named.add_parser("backup", parents=[on_one], help="copy a SQLite database to a file")
    backup.add_argument("file", type=Path, metavar="FILE")
    copy = named.add_parser(
        "copy", help="carry the record over to another database, or go on with it"
    )
    copy.add_argument("source", metavar="FROM", help="database URL")
    copy.add_argument("target", metavar="TO", help="database URL, new or a former copy")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("a number from 0 on; 0 = no limit")
    return number


if __name__ == "__main__":
    sys.exit(main())

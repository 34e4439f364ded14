"""The pages and the API without a proxy: `python -m inspection --db URL`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from peewee import DatabaseError, InterfaceError
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.wsgi import WSGIContainer

from inspection.web.access import Access
from inspection.web.app import create_app
from inspection.web.record import Record
from recording.commands import open_existing
from recording.database import DEFAULT_URL

_THREADS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves the pages until it is stopped; exit status."""
    options = _parser().parse_args(arguments)
    try:
        # Brings the schema up to date, as a proxy would.
        open_existing(options.db).close()
        asyncio.run(_serve(options.db, options.port))
    except (ValueError, OSError, DatabaseError, InterfaceError) as exc:
        print(f"inspection: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


async def _serve(url: str, port: int) -> None:
    # Its lines hold the addresses asked for, the token in them too.
    logging.getLogger("tornado.access").disabled = True
    access = Access()
    app = create_app(Record(url), access)
    server = HTTPServer(WSGIContainer(app, ThreadPoolExecutor(_THREADS)))
    sockets = bind_sockets(port, "127.0.0.1")
    server.add_sockets(sockets)
    port = sockets[0].getsockname()[1]
    print(f"Pages at http://127.0.0.1:{port}/?token={access.token}", flush=True)
    await asyncio.Event().wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m inspection",
        description="The pages and the API over a record, for this machine alone.",
    )
    parser.add_argument("--db", default=DEFAULT_URL, metavar="URL")
    parser.add_argument("--port", type=int, default=8082, help="default: 8082; 0 takes a free one")
    return parser


if __name__ == "__main__":
    sys.exit(main())

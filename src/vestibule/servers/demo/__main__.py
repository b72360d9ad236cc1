"""`python -m vestibule.servers.demo [--stdio | --http PORT]`: the sample server without the rest of Vestibule.

Exit codes: 0 done (over HTTP also by SIGTERM), 1 failed, 2 usage, 130 interrupted. Standard output belongs to the
protocol, so words go to standard error.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from vestibule.servers.demo.run import serve_http, serve_stdio

HOST = "127.0.0.1"


def main(arguments: Sequence[str] | None = None) -> int:
    port = _parse(arguments).http
    try:
        if port is None:
            asyncio.run(serve_stdio())
        else:
            signal.signal(signal.SIGTERM, _end_well)
            asyncio.run(serve_http(host=HOST, port=port, ready=_tell))
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        sys.stderr.write(f"Cannot listen on {HOST}:{port}: {error.strerror or error}. Choose another port.\n")
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m vestibule.servers.demo", description="A sample MCP server.")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--stdio", action="store_true", help="speak on standard input and output (the default)")
    how.add_argument("--http", type=_port, metavar="PORT", help="serve streamable HTTP on loopback; 0: any free port")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def _end_well(number: int, frame: FrameType | None) -> None:
    """Uvicorn stops gracefully at a signal, and then raises it again for us."""
    sys.exit(0)


def _tell(url: str) -> None:
    sys.stderr.write(f"The sample server is at {url}\n")


if __name__ == "__main__":
    sys.exit(main())

"""Rules about upstreams that are asked at a Unix socket.

Whether the file exists is not one of them: the server behind it may be started after us.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from vestibule.config.models import Configuration
from vestibule.errors import Fault

_LONGEST = 103  # bytes: what every kernel has room for (sun_path of macOS, without its last zero)


def sockets_are_on_this_computer(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        where = f"upstreams[{index}]"
        if not upstream.socket:
            continue
        if not Path(upstream.socket).is_absolute() or "\0" in upstream.socket:
            yield Fault(f"{where}.socket", "it is not the full path of a file", "write it as /run/name.sock")
        elif len(os.fsencode(upstream.socket)) > _LONGEST:
            yield Fault(f"{where}.socket", f"a socket's path has at most {_LONGEST} bytes", "use a shorter one")
        if urlsplit(upstream.url).scheme == "https":
            yield Fault(
                f"{where}.url",
                "TLS proves who is at the other end of a network, and a socket's file does",
                "write http://localhost/ and the path",
            )

"""FastMCP's proxy: `python fastmcp_program.py PORT URL shipped|tuned`, in an environment of its own.

tuned: all its connections share one SSL context. As it is shipped it makes one for every call, even to http, and that
is nearly all that a call costs.
"""

import ssl
import sys

from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.server import create_proxy

port, url, form = sys.argv[1:]
target = StreamableHttpTransport(url, verify=ssl.create_default_context()) if form == "tuned" else url
create_proxy(target, name="bench").run(
    transport="http",
    port=int(port),
    stateless_http=True,
    json_response=True,
    show_banner=False,
    uvicorn_config={"log_level": "warning", "access_log": False},
)

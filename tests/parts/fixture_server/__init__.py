"""An MCP server in the shape that the conformance suite asks of a server, on the MCP SDK.

It passes every scored server scenario of `--requirements 2025-11-25` and `2026-07-28` by itself, so that whatever
differs behind the gateway is the gateway's doing.
"""

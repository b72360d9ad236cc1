"""MCP servers in the box. None of them knows of OAuth: what protects them stands before them."""

"""What the RFCs and the MCP specification say, as pure functions over values: no clock, no randomness, no I/O."""

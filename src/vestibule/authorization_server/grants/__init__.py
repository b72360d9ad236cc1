"""One file per grant. A grant handler proves what its form claims, consumes it, and issues."""

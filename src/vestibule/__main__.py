"""`python -m vestibule` is the same program as `vestibule`."""

from vestibule.cli import main

main()

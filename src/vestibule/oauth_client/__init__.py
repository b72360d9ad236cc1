"""Being a client of somebody's authorization server: what to send, and what an answer must be.

Building and reading only; sending is the caller's work. Used toward identity providers.
"""

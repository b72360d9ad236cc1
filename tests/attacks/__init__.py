"""Attacks that still succeed: each test fails until somebody has decided about it."""

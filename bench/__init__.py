"""Measurements: ratios from one interleaved run on one machine, never absolute promises."""

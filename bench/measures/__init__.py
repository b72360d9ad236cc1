"""The questions, one module each, in the order in which they are asked."""

from bench.measures import throughput

MEASURES = (throughput,)

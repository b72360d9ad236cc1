"""The questions, one module each, in the order in which they are asked."""

from bench.measures import (
    bodies,
    connections,
    events,
    flood,
    half_load,
    idle_streams,
    policy,
    profile,
    real_upstream,
    slow_reader,
    throughput,
    tls,
    tokens,
    workers,
)

MEASURES = (
    throughput,
    half_load,
    real_upstream,
    bodies,
    connections,
    tokens,
    idle_streams,
    events,
    slow_reader,
    policy,
    tls,
    workers,
    flood,
    profile,
)

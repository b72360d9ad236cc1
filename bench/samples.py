"""What was measured, and the tables that are made of it.

A ratio is made within a round, of two figures measured within seconds of each other; a table shows the median of the
rounds' ratios and, behind it, the least and the greatest.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    measure: str
    peer: str
    case: str  # a size, a number of connections; empty where there is one case
    turn: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Column:
    """A figure, or its ratio to that of another peer in the same round and case."""

    title: str
    figure: str
    digits: int = 2
    to: str = ""  # the peer that is 1; empty: the figure itself


@dataclass(frozen=True)
class Table:
    measure: str
    title: str
    about: str
    columns: Sequence[Column]
    case: str = ""  # what the cases are


@dataclass(frozen=True)
class Spread:
    """The median over the rounds, and the range."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        sane = [value for value in values if math.isfinite(value)]
        return cls(statistics.median(sane), min(sane), max(sane)) if sane else None


class Samples:
    """All of one run."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._by_place = {(one.measure, one.peer, one.case, one.turn): one for one in samples}
        self._all = samples

    def rows(self, measure: str) -> Sequence[tuple[str, str]]:
        """Case and peer, in the order in which they were first measured; all peers of a case together."""
        mine = [one for one in self._all if one.measure == measure]
        peers: dict[str, dict[str, None]] = {}
        for one in mine:
            peers.setdefault(one.case, {})[one.peer] = None
        return [(case, peer) for case, there in peers.items() for peer in there]

    def spread(self, measure: str, peer: str, figure: str, *, case: str = "", to: str = "") -> Spread | None:
        """None where it was not measured."""
        values = []
        for one in self._all:
            if (one.measure, one.peer, one.case) != (measure, peer, case) or figure not in one.figures:
                continue
            base = self._by_place.get((measure, to, case, one.turn)) if to else None
            if not to:
                values.append(one.figures[figure])
            elif base is not None and base.figures.get(figure):
                values.append(one.figures[figure] / base.figures[figure])
        return Spread.of(values)

    def cell(self, table: Table, column: Column, case: str, peer: str) -> str:
        found = self.spread(table.measure, peer, column.figure, case=case, to=column.to)
        if found is None:
            return ""
        if not column.to:
            return f"{found.median:,.{column.digits}f}"
        if peer == column.to:
            return "1"
        least, most = f"{found.least:.{column.digits}f}", f"{found.most:.{column.digits}f}"
        return f"{found.median:.{column.digits}f}" + (f" ({least}–{most})" if least != most else "")

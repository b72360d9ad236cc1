"""What one run found, on disk and off it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.samples import Sample


@dataclass(frozen=True)
class Results:
    pace: str  # how long everything was measured, in words
    samples: Sequence[Sample]
    missing: Mapping[str, str]  # by measure and peer: why it is not there

    @classmethod
    def read(cls, path: Path) -> "Results":
        found = json.loads(path.read_text())
        return cls(found["pace"], [Sample(**one) for one in found["samples"]], found["missing"])

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1))

    def with_newer(self, newer: "Results", measures: Collection[str]) -> "Results":
        """Those measures as `newer` has them, and all the others as they are here."""
        kept = [one for one in self.samples if one.measure not in measures]
        missing = {what: why for what, why in self.missing.items() if what.partition(":")[0] not in measures}
        pace = self.pace if self.pace == newer.pace else f"{self.pace} {', '.join(measures)}: {newer.pace}"
        return Results(pace, [*kept, *newer.samples], {**missing, **newer.missing})

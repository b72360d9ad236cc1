"""The tables, for a terminal and for a page."""

from collections.abc import Mapping, Sequence

from bench.samples import Samples, Table


def cells(table: Table, samples: Samples) -> Sequence[Sequence[str]]:
    """Head and rows; columns in which nothing was measured are left out."""
    rows = samples.rows(table.measure)
    columns = [one for one in table.columns if any(samples.cell(table, one, *row) for row in rows)]
    head = [*([table.case] if table.case else []), "", *(one.title for one in columns)]
    return [
        head,
        *(
            [*([case] if table.case else []), peer, *(samples.cell(table, one, case, peer) for one in columns)]
            for case, peer in rows
        ),
    ]


def as_text(table: Table, samples: Samples) -> str:
    lines = cells(table, samples)
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    words = 2 if table.case else 1  # to the left, figures to the right
    return "\n".join(
        "  "
        + "  ".join(
            cell.ljust(width) if place < words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def as_markdown(table: Table, samples: Samples) -> str:
    head, *rows = cells(table, samples)
    words = 2 if table.case else 1
    rule = ["---"] * words + ["--:"] * (len(head) - words)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows))


def tell(tables: Sequence[Table], samples: Samples, missing: Mapping[str, str]) -> None:
    for table in tables:
        if samples.rows(table.measure):
            print(f"\n{table.title}\n{as_text(table, samples)}")
    if missing:
        print("\nNot measured")
        for what, why in missing.items():
            print(f"  {what}: {why}")

"""What `detector status` and `detector top` write with: tables, sizes, ages. One row = one line of a page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from rich.cells import cell_len
from rich.text import Text

from detector.columns import printable

GOOD, BAD, QUIET = "green", "bold red", "dim"
SIZES = ("B", "KB", "MB", "GB", "TB")
WIDEST_CELL = 48


def table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = (), styles: Sequence[str] = ()
) -> list[Text]:
    """Aligned lines below a heading. right: columns of numbers. styles: one for each row. The last column has its full length."""
    last = len(heading) - 1
    cells = [[printable(cell) for cell in row] for row in (heading, *rows)]
    cells = [[cell if at == last else shortened(cell) for at, cell in enumerate(row)] for row in cells]
    widths = [max(cell_len(row[at]) for row in cells) for at in range(len(heading))]
    lines = []
    for number, row in enumerate(cells):
        padded = [(" " * (width - cell_len(cell)) + cell) if at in right else cell + " " * (width - cell_len(cell))
                  for at, (cell, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        style = QUIET if number == 0 else styles[number - 1] if styles else ""
        lines.append(Text("  " + "  ".join(padded).rstrip(), style=style))
    return lines


def shortened(cell: str) -> str:
    """A cell that is not wider than a column may be."""
    return cell if len(cell) <= WIDEST_CELL else cell[: WIDEST_CELL - 3] + "..."


def size(count: float) -> str:
    """12 B, 3.4 MB."""
    unit = 0
    while count >= 1024 and unit < len(SIZES) - 1:
        count /= 1024
        unit += 1
    return f"{count:,.1f} {SIZES[unit]}" if unit else f"{count:,.0f} B"


def duration(seconds: float) -> str:
    """0.2 s, 45 s, 12 min, 3 h 20 min, 5 d 2 h."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def ago(moment: float, now: float) -> str:
    """How long ago a Unix time was; never where it is 0."""
    return f"{duration(now - moment)} ago" if moment else "never"


def clock(moment: float) -> str:
    """A Unix time in UTC, to the second."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def by_cause(counts: Mapping[str, int]) -> str:
    """12 (ring 10, interface 2); 0 where there is none."""
    total = sum(counts.values())
    causes = ", ".join(f"{cause} {count:,}" for cause, count in counts.items() if count)
    return f"{total:,} ({causes})" if total else "0"

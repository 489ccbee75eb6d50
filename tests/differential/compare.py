"""Our values and tshark's, brought to one form and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detector.capture import open_source
from detector.columns import Field
from detector.packets.decode import DecodeSettings
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.fields import FIELDS
from detector.protocols.frames import FrameTable
from tests.differential import tshark

NO_BYTES = ("<none>", "<MISSING>")  # tshark's words for a value of no bytes


def theirs(field: Field, text: str) -> Any:
    """A value as tshark prints it."""
    match field.kind:
        case "uint" | "int":
            return int(text, 0)
        case "float":
            return f"{float(text):.6g}"  # as many digits as tshark prints
        case "bool" | "protocol":
            return text in ("1", "True", "true")
        case "time" if "," in text:  # a time of the protocol's own; packets' are printed as seconds
            day, _, rest = text.removesuffix(" UTC").rpartition(".")
            return f"{int(datetime.strptime(day, '%b %d, %Y %H:%M:%S').replace(tzinfo=UTC).timestamp())}.{rest}"
        case "duration":
            return round(float(text), 9)
        case "bytes":
            return "" if text in NO_BYTES else text.replace(":", "")
        case _:
            return text


def ours(field: Field, value: Any) -> Any:
    """A value as Column.at gives it."""
    if field.kind == "duration":
        return round(value, 9)
    if field.kind == "float":
        return f"{float(value):.6g}"
    return value.replace(":", "") if field.kind == "bytes" else value


def compare_frames(capture: Path, names: Sequence[str], most: int) -> tuple[Counter[str], list[str]]:
    """(values compared by field, differences) over the first frames of a capture."""
    compared: Counter[str] = Counter()
    differences: list[str] = []
    reference = list(tshark.values(capture, names, most))
    decoding = Decoding(PipelineSettings(decode=DecodeSettings(drop_redundant=False)))
    batch = next(iter(open_source([str(capture)], batch_packets=most).batches()), None)
    if batch is None:
        return compared, differences
    frames = FrameTable(*decoding.tables(batch))
    columns = {name: frames.column(name) for name in names}
    for row, found in enumerate(reference[: frames.rows]):
        for name in names:
            field = FIELDS[name]
            expected = [theirs(field, text) for text in found[name]]
            actual = [ours(field, value) for value in columns[name].at(row)]
            if actual == [""] and not expected:  # one text without letters, which tshark prints like none
                expected = [""]
            compared[name] += len(expected)
            if expected != actual:
                differences.append(f"{capture.name} frame {row + 1} {name}: tshark {expected[:4]}, we {actual[:4]}")
    return compared, differences

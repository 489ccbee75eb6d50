"""Scapy's `fields_desc` is the schema: every fixed field of every layer, on random bytes, is what Scapy makes of them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from detector.columns import Field
from detector.layers import scapy_module
from detector.packets.load import LAYER_MODULES, layout, load

pytestmark = pytest.mark.kernel


def as_number(value: Any) -> int:
    """Scapy's value as the number on the wire: flags, addresses and scaled fields too."""
    if isinstance(value, str):
        text = value.replace(":", "") if value.count(":") == 5 else None
        return int(text, 16) if text else int.from_bytes(bytes(map(int, value.split("."))), "big")
    if isinstance(value, bytes):
        return int.from_bytes(value, "big")
    return int(value)


@pytest.mark.parametrize("layer", sorted(LAYER_MODULES))
def test_random_bytes(layer: str) -> None:
    """Offset, width and byte order of each field, from the first byte of the buffer and from others."""
    chosen = random.Random(layer)
    described = getattr(scapy_module(LAYER_MODULES[layer]), layer)
    places = {name: place for name, place in layout(layer).items() if place.width <= 48}
    assert places
    headers = [chosen.randbytes(80) for _ in range(60)]
    buffer = np.frombuffer(b"".join(headers) + bytes(80), np.uint8).copy()
    starts = np.arange(len(headers), dtype=np.int32) * 80
    for name, place in places.items():
        column = load(Field(f"x.{name}", "uint", ""), place, buffer, starts, starts + 80)
        for row, data in enumerate(headers):
            dissected = described()
            try:
                dissected.do_dissect(data)
            except Exception:  # noqa: BLE001 - Scapy's own options parser, on random bytes
                continue
            if name in dissected.fields:
                assert int(column.values[row]) == as_number(dissected.fields[name]), (
                    f"{layer}.{name} of {data[:20].hex()}"
                )


@pytest.mark.parametrize(
    ("offset", "width"), [(0, 8), (4, 4), (3, 13), (0, 16), (16, 16), (0, 32), (8, 24), (0, 48), (5, 27), (0, 63)]
)
def test_a_field_that_is_not_captured_has_no_value(offset: int, width: int) -> None:
    """Header by header: what lies beyond the captured bytes is never read."""
    data = np.arange(1, 200, dtype=np.uint8)
    size = (offset + width + 7) // 8
    for stop in range(12):
        column = load(
            Field("x.y", "uint", ""),
            layout_place(offset, width),
            data,
            np.zeros(1, np.int32),
            np.array([stop], np.int32),
        )
        assert column.present is not None
        assert bool(column.present[0]) == (stop >= size)
        expected = int.from_bytes(bytes(data[:size]), "big") >> (size * 8 - offset - width) & ((1 << width) - 1)
        assert int(column.values[0]) == (expected if stop >= size else 0)


def layout_place(offset: int, width: int) -> Any:
    return type(next(iter(layout("IP").values())))(offset, width, False)

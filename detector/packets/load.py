"""Scapy's `fields_desc` as the schema of fixed headers: where each field lies, and the column of its values.

A field has a place only as long as everything before it in its layer has a fixed width: behind a conditional or variable
field nothing is guessed, `layout` ends there.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.kernel import Kernels
from detector.layers import scapy_module

kernels = Kernels("detector.packets.load_kernels")

# Where Scapy defines the layers that fields name.
LAYER_MODULES = {
    "Ether": "scapy.layers.l2", "ARP": "scapy.layers.l2", "Dot1Q": "scapy.layers.l2", "CookedLinux": "scapy.layers.l2",
    "CookedLinuxV2": "scapy.layers.l2", "LLC": "scapy.layers.l2", "GRE": "scapy.layers.l2",
    "MPLS": "scapy.contrib.mpls", "VXLAN": "scapy.layers.vxlan", "IP": "scapy.layers.inet", "TCP": "scapy.layers.inet",
    "UDP": "scapy.layers.inet", "ICMP": "scapy.layers.inet", "IPv6": "scapy.layers.inet6", "IGMP": "scapy.layers.igmp",
    "SCTP": "scapy.layers.sctp", "ModbusADURequest": "scapy.contrib.modbus",
}  # fmt: skip
FIXED = {"FieldLenField", "BitField", "BitEnumField", "FlagsField", "ByteField", "ByteEnumField", "XByteField", "ShortField", "ShortEnumField",
         "XShortField", "XShortEnumField", "LEShortField", "IntField", "XIntField", "IntEnumField", "LEIntField", "IPField",
         "SourceIPField", "DestIPField", "MACField", "SourceMACField", "DestMACField", "ByteEnumKeysField",
         "MultiEnumField", "ThreeBytesField", "X3BytesField", "BitScalingField", "IP6Field", "SourceIP6Field",
         "DestIP6Field", "XLEShortField", "LEShortEnumField", "XBitField", "LongField", "XLongField"}  # fmt: skip


class Place(NamedTuple):
    """Where a field lies in its header: bits from the start, width in bits, byte order."""

    offset: int
    width: int
    is_little: bool


@cache
def layout(layer: str) -> dict[str, Place]:
    """{Scapy field: place} of the fixed part of a layer's header."""
    places: dict[str, Place] = {}
    offset = 0
    for declared in getattr(scapy_module(LAYER_MODULES[layer]), layer).fields_desc:  # per field
        width = width_of(declared)
        if width == 0:
            break
        places[declared.name] = Place(offset, width, type(declared).__name__.startswith(("LE", "XLE")))
        offset += width
    return places


def width_of(declared: Any) -> int:
    """Bits of a Scapy field that always has the same width, else 0."""
    if type(declared).__name__ == "Emph":  # a mark for printing around the field itself
        declared = declared.fld
    kinds = {kind.__name__ for kind in type(declared).__mro__}
    if not kinds & FIXED:
        return 0
    return int(declared.size) if "BitField" in kinds else int(declared.sz * 8)


def place_of(field: Field) -> Place:
    """The place of a field declared with scapy="Layer.field"."""
    layer, _, name = field.scapy.partition(".")
    return layout(layer)[name]


DTYPES = {"bool": np.bool_, "ipv4": np.uint32, "ether": np.uint64, "protocol": np.bool_}


def dtype_of(field: Field, width: int) -> Any:
    """The dtype of a loaded column."""
    if field.kind in DTYPES:
        return DTYPES[field.kind]
    return np.dtype(f"u{next(size for size in (1, 2, 4, 8) if width <= 8 * size)}")


def load(
    field: Field, place: Place, buffer: NDArray[np.uint8], starts: NDArray[np.int32], stops: NDArray[np.int32]
) -> Column:
    """The column of a field at a place of headers.

    Args:
        starts: int32[rows], where each header begins, -1 for none.
        stops: int32[rows], where the row's bytes end.

    Returns:
        Column[rows], dense; a row without the header, or with one cut before the field's last byte, has no value.
    """
    rows = len(starts)
    if field.kind == "ipv6":
        text = np.zeros((rows, 16), np.uint8)
        present = np.zeros(rows, np.bool_)
        kernels.load_bytes(buffer, starts, stops, place.offset // 8, text, present)
        return Column(field, text.view("S16").reshape(rows), present)
    values, present = np.empty(rows, dtype_of(field, place.width)), np.empty(rows, np.bool_)
    kernels.load_bits(buffer, starts, stops, place.offset, place.width, place.is_little, values, present)
    return Column(field, values, present)

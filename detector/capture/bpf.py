"""Capture filters: a text to instructions of the Linux kernel's packet filter, compiled by libpcap, reached through Scapy."""

from __future__ import annotations

import ctypes
import re
import socket
import struct
from ctypes import POINTER, byref, c_char, create_string_buffer
from typing import Any

from detector.errors import InputError
from detector.layers import scapy_module

ATTACH_FILTER = 26  # SO_ATTACH_FILTER of asm-generic/socket.h
INSTRUCTION = struct.Struct("=HBBI")
RETURN = 0x06  # BPF_RET | BPF_K
NOTHING = INSTRUCTION.pack(RETURN, 0, 0, 0)
ASKS_FOR_VLAN = re.compile(r"\bvlan\b")


def everything(snaplen: int) -> bytes:
    """The filter that takes every packet, cut at `snaplen`."""
    return INSTRUCTION.pack(RETURN, 0, 0, snaplen)


def attach(opened: socket.socket, program: bytes) -> None:
    """Sets or replaces the filter of a socket."""
    instructions = create_string_buffer(program, len(program))
    count = len(program) // INSTRUCTION.size
    opened.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(instructions)))


def compile_filter(text: str, link_type: int, snaplen: int, interface: str = "") -> bytes:
    """The instructions of a filter in libpcap's language (`tcp port 502`); of an empty text those that take everything.

    Linux takes the VLAN tag out of a packet before filters see it. Only when libpcap is handed a live interface does
    `vlan` ask for the tag where Linux put it; so a filter with `vlan` is compiled on `interface`, where one is given.

    Raises:
        InputError: libpcap is not there, or does not understand the text; with its message.
    """
    if not text.strip():
        return everything(snaplen)
    pcap = load_libpcap()
    is_live = bool(interface) and link_type == 1 and ASKS_FOR_VLAN.search(text) is not None
    handle = open_live(pcap, interface, snaplen) if is_live else pcap.pcap_open_dead(link_type, snaplen)
    try:
        return compiled(pcap, handle, text)
    finally:
        pcap.pcap_close(handle)


def load_libpcap() -> Any:
    """Scapy's door to libpcap. InputError where the library is missing."""
    try:
        return scapy_module("scapy.libs.winpcapy")
    except (ImportError, OSError):
        raise InputError("capture filters need libpcap", hint="install it (Debian: libpcap0.8)") from None


def open_live(pcap: Any, interface: str, snaplen: int) -> Any:
    """A handle of libpcap on an interface."""
    said = create_string_buffer(pcap.PCAP_ERRBUF_SIZE)
    name = create_string_buffer(interface.encode())
    handle = pcap.pcap_open_live(name, snaplen, 0, 1000, said)
    if not handle:
        raise InputError(f"{interface}: the filter cannot be compiled: {said.value.decode(errors='replace')}")
    return handle


def compiled(pcap: Any, handle: Any, text: str) -> bytes:
    """The instructions that libpcap makes of a text for a handle."""
    program = scapy_module("scapy.libs.structures").bpf_program()
    words = ctypes.cast(create_string_buffer(text.encode()), POINTER(c_char))
    if pcap.pcap_compile(handle, byref(program), words, 1, 0xFFFFFFFF) < 0:
        said = ctypes.string_at(pcap.pcap_geterr(handle)).decode(errors="replace")
        raise InputError(f"filter {text!r}: {said}", hint="the language is that of tcpdump: man pcap-filter")
    try:
        return ctypes.string_at(program.bf_insns, program.bf_len * INSTRUCTION.size)
    finally:
        pcap.pcap_freecode(byref(program))

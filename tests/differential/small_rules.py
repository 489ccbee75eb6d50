"""What Suricata says of each packet of a capture: sids of small rules by pcap_cnt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.differential.suricata.program import events
from tests.differential.tshark import require_tool

# Idle timeouts are ours (FlowSettings).
YAML = """%YAML 1.1
---
outputs:
  - eve-log: {{enabled: yes, filetype: regular, filename: eve.json, types: [alert]}}
app-layer:
  protocols:
    modbus: {{enabled: yes, detection-ports: {{dp: 502}}, stream-depth: 0}}
    dnp3: {{enabled: yes, detection-ports: {{dp: 20000}}}}
    enip: {{enabled: yes, detection-ports: {{dp: 44818, sp: 44818}}}}
stream: {{checksum-validation: no, midstream: {midstream}, reassembly: {{randomize-chunk-size: no}}}}
flow-timeouts:
  default: {{new: 30, established: 300, closed: 0}}
  tcp: {{new: 60, established: 600, closed: 60}}
  udp: {{new: 30, established: 300}}
  icmp: {{new: 30, established: 300}}
host-mode: sniffer-only
packet-alert-max: 255
"""


def alerts_by_packet(capture: Path, folder: Path, rules: Sequence[str], is_midstream: bool) -> dict[int, set[int]]:
    """{packet counted from 1: sids}; packets that Suricata makes up when a flow ends are left out."""
    require_tool("suricata")
    rules_file = folder / "small.rules"
    rules_file.write_text("\n".join(rules) + "\n")
    found: dict[int, set[int]] = {}
    for said in events(YAML.format(midstream="yes" if is_midstream else "no"), rules_file, capture, folder):
        if "pcap_cnt" in said and "Flow end" not in str(said):
            found.setdefault(said["pcap_cnt"], set()).add(said["alert"]["signature_id"])
    return found

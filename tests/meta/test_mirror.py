"""Every module has its tests: detector/<part>/<name>.py is tested by a tests/**/test_<name>.py, or the table says by which.

A module that nobody can name the tests of is a module whose promises nobody keeps.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.runs import ROOT

PACKAGE = ROOT / "detector"
MODULES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))
TESTS = {str(path.relative_to(ROOT / "tests")) for path in (ROOT / "tests").rglob("test_*.py")}

# module: the test that covers it. Kernels are run by the tests of the module that calls them, and all of them, compiled
# and plain, by property/test_compiled_and_plain.py.
COVERED_BY = {
    "__main__.py": "cli/test_main.py",
    "arena.py": "test_kernel.py",
    "arena_kernels.py": "test_kernel.py",
    "bytes_kernels.py": "test_kernel.py",
    "hash_kernels.py": "detect/test_state.py",
    "layers.py": "testing/test_literals.py",
    "capture/batch.py": "capture/test_reader.py",
    "capture/capture_formats.py": "capture/test_formats.py",
    "capture/capture_kernels.py": "capture/test_formats.py",
    "capture/devices.py": "capture/test_ring.py",
    "capture/interface.py": "capture/test_ring.py",
    "capture/listen.py": "live/test_capture.py",
    "capture/packet_socket.py": "live/test_capture.py",
    "capture/ring_kernels.py": "capture/test_ring.py",
    "capture/pcap.py": "capture/test_formats.py",
    "capture/pcapng.py": "capture/test_formats.py",
    "capture/folder_settings.py": "capture/test_folder.py",
    "service/signals.py": "cli/test_replay.py",
    "capture/source.py": "capture/test_reader.py",
    "capture/streams.py": "capture/test_live.py",
    "capture/watch.py": "capture/test_folder.py",
    "cli/startup.py": "cli/test_replay.py",
    "cli/terminal.py": "cli/test_replay.py",
    "packets/arrival_kernels.py": "packets/test_decode.py",
    "packets/checksum_kernels.py": "packets/test_decode.py",
    "packets/event_kernels.py": "packets/test_events.py",
    "packets/decode_kernels.py": "packets/test_decode.py",
    "packets/fragment_kernels.py": "packets/test_decode.py",
    "packets/load_kernels.py": "packets/test_load.py",
    # Fields of headers: each against tshark, with a packet built for each that no capture has.
    "packets/fields.py": "differential/test_packet_fields.py",
    "packets/frame.py": "differential/test_packet_fields.py",
    "packets/frame_fields.py": "differential/test_packet_fields.py",
    "packets/header.py": "packets/test_load.py",
    "packets/icmp.py": "differential/test_packet_fields.py",
    "packets/link.py": "differential/test_packet_fields.py",
    "packets/network.py": "differential/test_packet_fields.py",
    "packets/items.py": "differential/test_packet_fields.py",
    "packets/table.py": "differential/test_packet_fields.py",
    "packets/transport.py": "differential/test_packet_fields.py",
    "packets/tunnels.py": "differential/test_packet_fields.py",
    "packets/fragments.py": "packets/test_decode.py",
    "packets/rows.py": "packets/test_decode.py",
    "flows/columns.py": "flows/test_table.py",
    "flows/fields.py": "flows/test_table.py",
    "flows/flow_kernels.py": "flows/test_table.py",
    "flows/peer_kernels.py": "differential/test_suricata_flows.py",
    "flows/events.py": "flows/test_sessions.py",
    "flows/session_kernels.py": "flows/test_sessions.py",
    "flows/stream_kernels.py": "flows/test_streams.py",
    "flows/window_kernels.py": "flows/test_windows.py",
    "protocols/fields.py": "cli/test_fields.py",
    "protocols/frames.py": "differential/test_filters.py",
    "protocols/declared.py": "protocols/test_dnp3.py",
    "protocols/ber_kernels.py": "protocols/test_goose.py",
    "protocols/ber_layers.py": "protocols/test_goose.py",
    "protocols/dealing.py": "protocols/test_framing_kernels.py",
    "protocols/dealing_kernels.py": "protocols/test_framing_kernels.py",
    "protocols/dnp3_kernels.py": "protocols/test_dnp3.py",
    "protocols/dnp3_objects_kernels.py": "protocols/test_dnp3.py",
    "protocols/dnp3_layers.py": "protocols/test_dnp3.py",
    "protocols/enip_kernels.py": "protocols/test_enip.py",
    "protocols/enip_fields.py": "protocols/test_enip.py",
    "protocols/enip_layers.py": "protocols/test_enip.py",
    "protocols/enip_parts.py": "protocols/test_enip.py",
    "protocols/enip_message_kernels.py": "protocols/test_enip.py",
    "protocols/enip_path_kernels.py": "protocols/test_enip.py",
    "protocols/enip_piece_kernels.py": "protocols/test_enip.py",
    "protocols/enip_task_kernels.py": "protocols/test_enip.py",
    "protocols/goose_kernels.py": "protocols/test_goose.py",
    "protocols/goose_layers.py": "protocols/test_goose.py",
    "protocols/iec104_kernels.py": "protocols/test_iec104.py",
    "protocols/ics_kernels.py": "protocols/test_ics.py",
    "protocols/vocabulary.py": "protocols/test_ics.py",
    "protocols/words.py": "protocols/test_ics.py",
    "protocols/modbus_words.py": "protocols/test_ics.py",
    "protocols/dnp3_words.py": "protocols/test_ics.py",
    "protocols/enip_words.py": "protocols/test_ics.py",
    "protocols/iec104_words.py": "protocols/test_ics.py",
    "protocols/s7comm_words.py": "protocols/test_ics.py",
    "protocols/goose_words.py": "protocols/test_ics.py",
    "protocols/sv_words.py": "protocols/test_ics.py",
    "protocols/iec104_layers.py": "protocols/test_iec104.py",
    "protocols/unanswered_kernels.py": "protocols/test_unanswered.py",
    "protocols/s7comm_fields.py": "protocols/test_s7comm.py",
    "protocols/s7comm_kernels.py": "protocols/test_s7comm.py",
    "protocols/s7comm_layers.py": "protocols/test_s7comm.py",
    "protocols/s7comm_objects_kernels.py": "protocols/test_s7comm.py",
    "protocols/s7comm_szl.py": "differential/test_s7comm.py",
    "protocols/modbus_kernels.py": "protocols/test_modbus.py",
    "protocols/pairing_kernels.py": "protocols/test_modbus.py",
    "protocols/reader.py": "protocols/test_modbus.py",
    "protocols/sv_kernels.py": "protocols/test_sv.py",
    "protocols/sv_layers.py": "protocols/test_sv.py",
    "protocols/protocol.py": "protocols/test_modbus.py",
    "protocols/table.py": "protocols/test_modbus.py",
    "rules/keywords/draft.py": "rules/keywords/test_compile.py",
    "rules/keywords/known.py": "rules/keywords/test_compile.py",
    "rules/options.py": "rules/test_suricata_text.py",
    "rules/suricata_tables.py": "rules/test_suricata_config.py",
    "detect/candidate_kernels.py": "detect/test_signatures.py",
    "detect/header_kernels.py": "detect/test_signatures.py",
    "detect/headers.py": "detect/test_signatures.py",
    "detect/inspect_kernels.py": "detect/test_inspection.py",
    "detect/programs.py": "detect/test_inspection.py",
    "detect/scan_kernels.py": "detect/test_scanning.py",
    "detect/searched_kernels.py": "detect/test_searched.py",
    "flows/followed.py": "detect/test_signatures.py",
    "rules/signature.py": "rules/keywords/test_compile.py",
    "detect/match.py": "detect/test_engine.py",
    "detect/memory_kernels.py": "detect/test_memory.py",
    "detect/predicate_kernels.py": "detect/test_predicates.py",
    "detect/state_kernels.py": "detect/test_state.py",
    "cli/page.py": "cli/test_status.py",
    "cli/running.py": "cli/test_status.py",
    "settings.py": "service/test_settings_reader.py",
    "service/assembly.py": "service/test_daemon.py",
    "service/counted.py": "service/test_daemon.py",
    "service/publish.py": "service/test_daemon.py",
    "service/preflight.py": "cli/test_config.py",
    "service/dropped.py": "service/test_workers.py",
    "service/metrics.py": "service/test_exporter.py",
    "service/status.py": "cli/test_status.py",
    "sinks/sink.py": "sinks/test_jsonl.py",
    "sinks/elasticsearch_client.py": "sinks/test_elasticsearch.py",
    "sinks/elasticsearch_settings.py": "sinks/test_elasticsearch.py",
    "sinks/elasticsearch_template.py": "sinks/test_elasticsearch_setup.py",
    # The spool's format and its reading, by the spool and by the faults done to it; positions by what is delivered.
    "sinks/segment.py": "sinks/test_spool.py",
    "sinks/reader.py": "sinks/test_spool.py",
    "sinks/files.py": "sinks/test_delivery.py",
    "sinks/position.py": "sinks/test_delivery.py",
    "sinks/destination.py": "sinks/test_delivery.py",
    "workers/crew.py": "workers/test_coordinator.py",
    "workers/fanout.py": "live/test_fanout.py",
    "workers/fanout_worker.py": "live/test_fanout.py",
    "workers/loaded.py": "fault/test_workers.py",
    "workers/messages.py": "workers/test_worker.py",
    "workers/processes.py": "fault/test_workers.py",
}


def mirrored(module: str) -> str:
    """Where the tests of a module are to be: beside the others of its part."""
    path = Path(module)
    return str(path.with_name(f"test_{path.name}"))


def is_face(module: str) -> bool:
    """An __init__.py that only shows what is behind it, and defines nothing."""
    defined = (ast.FunctionDef, ast.ClassDef)
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    return Path(module).name == "__init__.py" and not any(isinstance(node, defined) for node in tree.body)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_its_tests(module: str) -> None:
    if is_face(module):
        return
    if module == "capture/__init__.py":  # open_source, since and until
        expected = "capture/test_formats.py"
    else:
        expected = COVERED_BY.get(module, mirrored(module))
    assert expected in TESTS, f"detector/{module}: write tests/{expected}, or say in COVERED_BY what covers it"


def test_the_table_is_no_longer_than_it_must_be() -> None:
    """An exception whose module has gone, or has tests of its own by now, leaves the table."""
    assert [module for module in COVERED_BY if module not in MODULES] == []
    assert [module for module in COVERED_BY if mirrored(module) in TESTS] == []


def test_every_test_has_its_module() -> None:
    """tests/<part>/test_<name>.py in a part of the package tests a module of it, or what goes through several."""
    parts = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    several = set(COVERED_BY.values()) | {
        "capture/test_live.py",
        "rules/test_cases.py",
        "rules/test_messages.py",
        "rules/test_promised_keywords.py",
        "service/test_workers.py",
    }
    orphans = [
        test
        for test in sorted(TESTS)
        if test.split("/")[0] in parts
        and test not in several
        and str(Path(test).with_name(Path(test).name.removeprefix("test_"))) not in MODULES
    ]
    assert orphans == []

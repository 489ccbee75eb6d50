"""Promise 3: a display filter selects the frames that Wireshark selects; and what Wireshark refuses, we refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.capture import open_source
from detector.detect.predicates import evaluate
from detector.errors import InputError
from detector.exercise.synthesis import write_capture
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.frames import FrameTable
from detector.rules.parser import parse_filter
from tests.differential import tshark
from tests.differential.test_goose import built_goose
from tests.differential.test_iec104 import built as built_iec104
from tests.differential.test_modbus import built as built_modbus
from tests.differential.test_packet_fields import built_capture
from tests.runs import SCENARIOS, frames_of

pytestmark = pytest.mark.differential

HERE = Path(__file__).parent


def listed(name: str) -> list[str]:
    lines = (HERE / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


FILTERS, REFUSED = listed("filters.txt"), listed("refused.txt")


def elsewhere(data: bytes, site: int) -> bytes:
    """A scenario's packet in a network of its own, 10.20.site.0: all scenarios play in 10.20.0.0, and pieces of one
    connection from two of them would leave a gap of a billion bytes."""
    return data.replace(b"\x0a\x14\x00", bytes((10, 20, site)))


def mixed_capture(folder: Path) -> Path:
    """Built packets of every layer, every Modbus function, floats and times, and a piece of each scenario, one after the other."""
    frames = []
    for build in (built_capture, built_modbus, built_iec104, built_goose):
        frames += frames_of(build(folder))
    for number, path in enumerate(sorted(SCENARIOS.glob("*/capture.pcap"))):
        frames += [(time, elsewhere(data, number)) for time, data in frames_of(path, 140, 60)]
    start = frames[0][0]
    path = folder / "mixed.pcap"
    write_capture(path, [(start + number * 700_000, data) for number, (_, data) in enumerate(frames)])
    return path


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tshark.require_tool("tshark")
    return mixed_capture(tmp_path_factory.mktemp("filters"))


@pytest.fixture(scope="module")
def frames(capture: Path) -> FrameTable:
    batch = next(iter(open_source([str(capture)]).batches()))
    return FrameTable(*Decoding(PipelineSettings()).tables(batch))


@pytest.mark.parametrize("text", FILTERS)
def test_selects_what_tshark_selects(text: str, capture: Path, frames: FrameTable) -> None:
    ours = (np.flatnonzero(evaluate(parse_filter(text), frames)) + 1).tolist()
    assert ours == tshark.frames(capture, text)


def test_the_filters_say_something(capture: Path, frames: FrameTable) -> None:
    """A filter that selects nothing, or everything, compares little."""
    counts = [int(evaluate(parse_filter(text), frames).sum()) for text in FILTERS]
    telling = sum(0 < count < frames.rows for count in counts)
    print(f"{len(FILTERS)} filters, {telling} of them select some frames and not all")
    assert len(FILTERS) >= 100 and telling >= 0.9 * len(FILTERS)


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_what_tshark_refuses(text: str, capture: Path) -> None:
    assert not tshark.accepts(text, capture), "tshark takes this"
    with pytest.raises(InputError) as refused:
        parse_filter(text)
    assert refused.value.position is not None and refused.value.problem and refused.value.hint

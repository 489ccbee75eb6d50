"""What following flows and streams adds to a packet table, for rules that look at more than columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.flows.columns import FlowColumns
from detector.flows.windows import Windows, WindowTable
from detector.packets.table import PacketTable


class Watched(NamedTuple):
    """What rules look at beside packets and PDUs, and is kept for them alone: the last bytes of streams, TCP sessions,
    what requests asked for."""

    streams: bool = False
    sessions: bool = False
    ics: bool = False


@dataclass(frozen=True)
class Followed:
    """flows: of the table's rows.  windows: of its streams, None where no rule looks at them; kept by table.
    streams: how many there may be.  evicted: streams whose last bytes were given up with this batch."""

    flows: FlowColumns
    windows: Windows | None
    table: WindowTable
    streams: int
    evicted: int = 0

    def copy_windows(self, packets: PacketTable, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n, 2]: where the whole bytes of chosen windows are in the batch's buffer."""
        assert self.windows is not None
        return self.table.copy(packets.batch, self.windows, chosen)


def followed(packets: PacketTable) -> Followed:
    """What following added to a packet table."""
    assert isinstance(packets.followed, Followed)
    return packets.followed

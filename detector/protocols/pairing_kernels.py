"""Open requests of all flows in one array: what pairs a reply with its request. One that is pushed out goes unpaired.

The columns of PDUs that every protocol has are here as well, with what a request leaves in them.
"""

from __future__ import annotations

from detector.flows.columns import SHARDS
from detector.hash_kernels import mix
from detector.kernel import kernel

# Columns of requests that every protocol has: flow number plus one, key, frame number, time; further ones are its own.
R_FLOW, R_KEY, R_FRAME, R_TIME = 0, 1, 2, 3
R_OWN = 4
WAYS = 4
# Columns of PDUs that every protocol has, as table.py names them; further ones are its own.
P_ROW, P_START, P_STOP, P_ANOMALIES, P_KIND, P_REQUEST_FRAME, P_PLACE = range(7)
P_OWN = 7
REPEATED = -2  # request frame of a request that takes the place of an earlier one with the same key
REQUEST, RESPONSE, EXCEPTION, MALFORMED, REPORT, CONFIRM, PART, LINK = range(
    8
)  # kinds of PDUs, as table.KINDS has them


@kernel
def find_request(requests, flow, key):
    """The place of a request in its set of WAYS, or that of the oldest there. Each shard of flows has sets of its own."""
    sets = len(requests) // WAYS // SHARDS
    base = ((flow % SHARDS) * sets + (mix(flow // SHARDS, key) & (sets - 1))) * WAYS
    oldest = base
    for place in range(base, base + WAYS):
        if requests[place, R_FLOW] == flow + 1 and requests[place, R_KEY] == key:
            return place
        if requests[place, R_TIME] < requests[oldest, R_TIME]:
            oldest = place
    return oldest


@kernel
def is_request(requests, place, flow, key):
    """Whether the request that was looked for is there."""
    return requests[place, R_FLOW] == flow + 1 and requests[place, R_KEY] == key


@kernel
def keep_request(requests, place, flow, key, frame, now, out, i):
    """Takes a place for a request, which is PDU i."""
    if is_request(requests, place, flow, key):
        out[i, P_REQUEST_FRAME] = REPEATED
    requests[place, R_FLOW] = flow + 1
    requests[place, R_KEY] = key
    requests[place, R_FRAME] = frame
    requests[place, R_TIME] = now
    out[i, P_PLACE] = place


@kernel
def join_request(requests, place, out, i):
    """Joins PDU i with the request that it answers."""
    out[i, P_REQUEST_FRAME] = requests[place, R_FRAME]
    out[i, P_PLACE] = place


@kernel
def add_row(out, found, row, start, stop, odd):
    """A row for a PDU's bytes, or for the first of bytes that are none, of which nothing else is known yet."""
    for column in range(out.shape[1]):
        out[found, column] = -1
    out[found, P_ROW], out[found, P_START], out[found, P_STOP] = row, start, stop
    out[found, P_ANOMALIES], out[found, P_KIND] = odd, MALFORMED

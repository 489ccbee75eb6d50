"""What framing has in common: a PDU that is not whole yet waits for its stream's next chunk.

A protocol's kernel goes through the chunks of a batch; for each it calls `open_span`, takes PDUs from the front of the span
as long as they are whole, and hands the rest to `close_span`. The store has a pool for each shard of flows, so that what
one shard keeps never depends on another. Bytes are copied only where a PDU lies in several chunks.
"""

from __future__ import annotations

from detector import arena_kernels as arena
from detector.flows.columns import IS_FIRST, IS_GAP, START, STOP, STREAM
from detector.kernel import kernel

# Columns of a protocol's stream state, as far as framing uses them; further ones are the protocol's own.
F_CARRY, F_LENGTH = 0, 1  # first block of the unfinished PDU plus one (0: none), its bytes
F_OWN = 2


@kernel
def drop_carry(state, links, meta, pool, stream):
    """Gives up an unfinished PDU."""
    if state[stream, F_CARRY]:
        arena.free_blocks(links, meta, pool, state[stream, F_CARRY] - 1)
    state[stream, F_CARRY] = 0
    state[stream, F_LENGTH] = 0


@kernel
def open_span(state, blocks, links, meta, pool, chunks, i, buffer, used):
    """The bytes of chunk i, behind what was left of the chunk before it.

    Returns:
        (start, stop, used): where the bytes lie in buffer, and how much of it is taken now. The caller sees to it that
        the carried bytes and the chunk fit behind `used`.
    """
    stream, start, stop = chunks[i, STREAM], chunks[i, START], chunks[i, STOP]
    if chunks[i, IS_FIRST] or chunks[i, IS_GAP]:
        drop_carry(state, links, meta, pool, stream)
    length = state[stream, F_LENGTH]
    if length == 0:
        return start, stop, used
    arena.load_blocks(blocks, links, state[stream, F_CARRY] - 1, length, buffer, used)
    for k in range(stop - start):
        buffer[used + length + k] = buffer[start + k]
    drop_carry(state, links, meta, pool, stream)
    return used, used + length + stop - start, used + length + stop - start


@kernel
def close_span(state, blocks, links, meta, pool, stream, buffer, start, stop):
    """Keeps buffer[start:stop] for the stream's next chunk; whether there was room."""
    if start >= stop:
        return True
    head = arena.store_blocks(blocks, links, meta, pool, buffer, start, stop)
    if head < 0:
        return False
    state[stream, F_CARRY] = head + 1
    state[stream, F_LENGTH] = stop - start
    return True

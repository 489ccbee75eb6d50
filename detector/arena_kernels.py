"""A bounded store of byte strings in arrays: chained blocks of fixed size with a free list.

Fragments, segments that wait for a gap, and unfinished PDUs live here between packets. A string is known by its first
block; nothing is moved, nothing grows: what does not fit is refused, and the caller counts it.
"""

from __future__ import annotations

from detector.kernel import kernel

NONE = -1


@kernel
def store_blocks(blocks, links, meta, pool, buffer, start, stop):
    """Keeps buffer[start:stop] in a pool; its first block, or NONE where there is no room."""
    size = blocks.shape[1]
    wanted = max(1, (stop - start + size - 1) // size)
    if meta[pool, 1] < wanted:
        return NONE
    head, last = NONE, NONE
    while wanted > 0:
        block = meta[pool, 0]
        meta[pool, 0] = links[block]
        links[block] = NONE
        if last == NONE:
            head = block
        else:
            links[last] = block
        length = min(size, stop - start)
        for k in range(length):
            blocks[block, k] = buffer[start + k]
        start += length
        last = block
        wanted -= 1
        meta[pool, 1] -= 1
    return head


@kernel
def load_blocks(blocks, links, head, length, buffer, at):
    """Copies the first `length` bytes of a string to buffer[at:]."""
    size = blocks.shape[1]
    while length > 0:
        here = min(size, length)
        for k in range(here):
            buffer[at + k] = blocks[head, k]
        at += here
        length -= here
        head = links[head]


@kernel
def seek_block(links, head, skip, size):
    """The block in which byte `skip` of a string stands, and its place there."""
    while skip >= size:
        head = links[head]
        skip -= size
    return head, skip


@kernel
def append_blocks(blocks, links, meta, pool, head, length, buffer, start, stop):
    """Puts buffer[start:stop] behind a string of `length` bytes (head NONE: there is none yet).

    Returns:
        Its first block, or NONE where there is no room: the string is given up then.
    """
    if head == NONE:
        return store_blocks(blocks, links, meta, pool, buffer, start, stop)
    size = blocks.shape[1]
    last, place = seek_block(links, head, max(0, length - 1), size)
    place += 1 if length > 0 else 0
    while start < stop and place < size:
        blocks[last, place] = buffer[start]
        place += 1
        start += 1
    if start < stop:
        more = store_blocks(blocks, links, meta, pool, buffer, start, stop)
        if more == NONE:
            free_blocks(links, meta, pool, head)
            return NONE
        links[last] = more
    return head


@kernel
def equal_blocks(blocks, links, head, skip, buffer, at, length):
    """Whether the bytes of a string, from `skip` on, equal buffer[at:at + length]."""
    size = blocks.shape[1]
    head, skip = seek_block(links, head, skip, size)
    for k in range(length):
        if skip == size:
            head = links[head]
            skip = 0
        if blocks[head, skip] != buffer[at + k]:
            return False
        skip += 1
    return True


@kernel
def replace_blocks(blocks, links, head, skip, buffer, at, length):
    """Puts buffer[at:at + length] in place of as many bytes of a string, from `skip` on."""
    size = blocks.shape[1]
    head, skip = seek_block(links, head, skip, size)
    for k in range(length):
        if skip == size:
            head = links[head]
            skip = 0
        blocks[head, skip] = buffer[at + k]
        skip += 1


@kernel
def free_blocks(links, meta, pool, head):
    """Gives the blocks of a string back to its pool."""
    while head != NONE:
        following = links[head]
        links[head] = meta[pool, 0]
        meta[pool, 0] = head
        meta[pool, 1] += 1
        head = following

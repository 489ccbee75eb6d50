"""The kernel that runs the steps of payload rules on candidates, with Suricata 7's meaning of each keyword.

A program is a run of rows of `code`. `place` is where relative steps count from: behind the last match. A content or
expression that a relative step follows may match in several places; the others are tried where what follows fails, from a
stack of such choices. A content that stands alone and fails ends the program, since no other choice could mend it.

Two kinds of steps are asked of Python: regular expressions and base64. The kernel notes the question in the candidate's
state and goes on with the next candidate; with the answer it is called again.
"""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import find_byte
from detector.detect.scan_kernels import is_literal_at
from detector.kernel import kernel

CONTENT, IS_DATA_AT, BYTE_TEST, BYTE_JUMP, BYTE_EXTRACT, BYTE_MATH, PCRE, BUFFER_SIZE, BASE64 = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
)
# Columns of code. Numbers: a constant, NONE, or VARIABLE + the variable's place.
OP, FLAGS, A, B, C, D, E, F, G, H, RARE = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
CODE_COLUMNS = 11
NONE, VARIABLE = 1 << 61, 1 << 60
LARGEST = 1 << 59  # numbers from bytes that are larger count as this; only byte_test sees all 64 bits
# FLAGS. LAST_CHANCE: a content that is not there ends the program, whatever matched before.
NEGATED, NOCASE, ENDSWITH, RELATIVE, RELATIVE_NEXT, LITTLE, ALIGNED, NAMED, LAST_CHANCE = (1 << bit for bit in range(9))
NOT_FINAL, FINAL_IF_NEW, FINAL = 0, 1, 2  # whether a failure ends the program: where all bytes are new, or at any rate
QUESTION_STEPS = 10  # a step that Python answers counts as so many
# content: A B bytes in the pool and their number, C offset, D depth, E distance, F within, RARE place of its rarest byte.
# is_data_at: A position.  buffer_size: A low, B high.  pcre: A pattern.  base64: A question.
# byte_*: A size, B base (0: binary), C offset; E bitmask (0: none), F how far it is shifted.
#   test: D value (NAMED: place of a variable), G operator.  jump: D multiplier, G origin, H post_offset.  extract: D multiplier, G align, H variable.
#   math: D right, G operator, H variable.
LESS, GREATER, EQUAL, LESS_EQUAL, GREATER_EQUAL, AND, XOR = 0, 1, 2, 3, 4, 5, 6
PLUS, MINUS, TIMES, DIVIDED, SHIFTED_LEFT, SHIFTED_RIGHT = 0, 1, 2, 3, 4, 5
FROM_HERE, FROM_BEGINNING, FROM_END = 0, 1, 2
# Columns of state. S_ANSWER: 0 none, 1 no, 2 yes, with its bounds.
S_STEP, S_PLACE, S_END, S_DEPTH, S_SPENT, S_FROM, S_ANSWER, S_START, S_STOP, S_RESULT = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
S_VARIABLES, MOST_VARIABLES = 10, 16
S_STACK, MOST_CHOICES, CHOICE = 26, 24, 4  # a choice: step, place before, end before, from where to go on
STATE_COLUMNS = S_STACK + MOST_CHOICES * CHOICE
# S_RESULT.
RUNNING, HOLDS, FAILS, ASKS, GAVE_UP = 0, 1, 2, 3, 4
NO_END = -1


@kernel
def number_of(value, state, row):
    """A number of a step: a constant, or the variable that it names."""
    if value & VARIABLE and value & NONE == 0 and value > 0:
        return state[row, S_VARIABLES + (value & 63)]
    return value


@kernel
def find_content(buffer, start, stop, pool, at, length, rare, nocase):
    """Where bytes occur first in buffer[start:stop], or -1. rare: place among them of the one that is looked for first."""
    sought = np.int64(pool[at + rare])
    other = sought - 32 if nocase and 97 <= sought <= 122 else sought
    here, last = start + rare, stop - length + rare + 1
    while here < last:
        here = find_byte(buffer, here, last, sought, other)
        if here < last and is_literal_at(buffer, here - rare, pool, at, length, nocase):
            return here - rare
        here += 1
    return np.int64(-1)


@kernel
def digit_of(byte):
    """The value of a digit or letter, 99 for anything else."""
    if 48 <= byte <= 57:
        return byte - 48
    if 97 <= byte <= 122:
        return byte - 87
    if 65 <= byte <= 90:
        return byte - 55
    return np.int64(99)


@kernel
def text_number(buffer, start, stop, base):
    """(a number written in text, how many characters it takes), as strtoull of C reads it; 0 characters: none."""
    at = start
    while at < stop and (np.int64(buffer[at]) == 32 or 9 <= np.int64(buffer[at]) <= 13):
        at += 1
    is_minus = False
    if at < stop and (np.int64(buffer[at]) == 43 or np.int64(buffer[at]) == 45):
        is_minus = np.int64(buffer[at]) == 45
        at += 1
    if base == 16 and at + 2 < stop and np.int64(buffer[at]) == 48 and np.int64(buffer[at + 1]) | 32 == 120:
        if digit_of(np.int64(buffer[at + 2])) < 16:
            at += 2
    first, value, is_too_large = at, np.uint64(0), False
    while at < stop and digit_of(np.int64(buffer[at])) < base:
        digit = np.uint64(digit_of(np.int64(buffer[at])))
        is_too_large = is_too_large or value > (np.uint64(0xFFFFFFFFFFFFFFFF) - digit) // np.uint64(base)
        if not is_too_large:
            value = value * np.uint64(base) + digit
        at += 1
    if at == first or is_too_large:
        return np.uint64(0), np.int64(0)
    if is_minus and value:
        value = ~value + np.uint64(1)
    return value, np.int64(at - start)


@kernel
def binary_number(buffer, start, size, is_little):
    """An unsigned number of up to 8 bytes."""
    value = np.uint64(0)
    for i in range(size):
        byte = np.uint64(buffer[start + (size - 1 - i if is_little else i)])
        value = (value << np.uint64(8)) | byte
    return value


@kernel
def compare(value, operator, wanted):
    """byte_test's comparison of two unsigned numbers."""
    if operator == LESS:
        return value < wanted
    if operator == GREATER:
        return value > wanted
    if operator == EQUAL:
        return value == wanted
    if operator == LESS_EQUAL:
        return value <= wanted
    if operator == GREATER_EQUAL:
        return value >= wanted
    if operator == AND:
        return value & wanted != np.uint64(0)
    return value ^ wanted != np.uint64(0)


@kernel
def calculate(value, operator, right):
    """(byte_math's result of numbers below LARGEST, whether there is one)."""
    result = value
    if operator == PLUS:
        result = value + right
    elif operator == MINUS:
        result = value - right
    elif operator == TIMES:
        if right and value > LARGEST // right:
            result = np.int64(LARGEST)
        else:
            result = value * right
    elif operator == DIVIDED:
        if right == 0:
            return value, False
        result = value // right
    elif operator == SHIFTED_LEFT:
        result = np.int64(LARGEST) if right >= 59 or value >> (59 - right) else value << right
    elif right >= 63:
        result = np.int64(0)
    else:
        result = value >> right
    return result, True


@kernel
def masked(value, bitmask, shift):
    """A number under a mask, moved down to the mask's lowest bit."""
    if bitmask:
        value = (value & np.uint64(bitmask)) >> np.uint64(shift)
    return value


@kernel
def limited(value):
    """An unsigned number as one that arithmetic cannot overflow."""
    return np.int64(LARGEST) if value > np.uint64(LARGEST) else np.int64(value)


@kernel
def content_bounds(code, step, state, row, place, length):
    """(from where, up to where) a content is searched in a buffer of `length` bytes; the first beyond the second: nowhere."""
    offset, depth = number_of(code[step, C], state, row), number_of(code[step, D], state, row)
    first, last = np.int64(0), np.int64(length)
    if code[step, FLAGS] & RELATIVE:
        distance, within = number_of(code[step, E], state, row), number_of(code[step, F], state, row)
        if distance == NONE:
            distance = np.int64(0)
        first = max(np.int64(0), place + distance)
        if within != NONE and place + within + distance >= 0:  # below nothing Suricata takes it for very far
            last = min(last, place + within + distance)
        if depth != NONE:
            last = min(last, place + depth)
        if offset != NONE:
            first = max(first, offset)
    else:
        if depth != NONE:
            last = depth + (offset if offset != NONE else 0)  # it counts from the offset
        if offset != NONE:
            first = max(np.int64(0), offset)
    return first, min(last, np.int64(length))


@kernel
def step_content(code, step, pool, buffer, begin, length, state, row, fresh):
    """One content; (whether it holds, whether its failure is final)."""
    flags, size = code[step, FLAGS], code[step, B]
    first, last = content_bounds(code, step, state, row, state[row, S_PLACE], length)
    if first > last or last <= 0:  # nowhere to search
        return flags & NEGATED != 0, FINAL if flags & LAST_CHANCE else NOT_FINAL
    is_alone = flags & RELATIVE == 0
    first = max(first, state[row, S_FROM])
    found = np.int64(-1)
    if flags & ENDSWITH and flags & NEGATED:
        found = find_content(
            buffer, begin + first, begin + last, pool, code[step, A], size, code[step, RARE], flags & NOCASE
        )
        return found < 0 or found - begin + size != last - first, NOT_FINAL
    if flags & ENDSWITH == 0:
        found = find_content(
            buffer, begin + first, begin + last, pool, code[step, A], size, code[step, RARE], flags & NOCASE
        )
    elif last == length and last - size >= first:
        found = find_content(
            buffer, begin + last - size, begin + last, pool, code[step, A], size, code[step, RARE], flags & NOCASE
        )
    if flags & NEGATED:
        is_final = is_alone and code[step, C] == NONE and code[step, D] == NONE
        return found < 0, FINAL_IF_NEW if is_final else NOT_FINAL
    if found < 0 and flags & LAST_CHANCE:  # where it was there before, what followed it may be new in another place
        return False, FINAL if state[row, S_FROM] == 0 else FINAL_IF_NEW
    if found < 0:
        return False, FINAL_IF_NEW if is_alone and state[row, S_FROM] == 0 else NOT_FINAL
    start = found - begin
    # Bytes that are new may hold it again, whether or not something counts from it.
    if flags & RELATIVE_NEXT or start + size <= fresh:
        choose(state, row, step, start + 1 if flags & RELATIVE_NEXT else max(start, fresh - size) + 1)
    state[row, S_PLACE] = start + size
    state[row, S_END] = max(state[row, S_END], start + size)
    return True, NOT_FINAL


@kernel
def choose(state, row, step, again):
    """Keeps a choice that may be made otherwise: the step holds from `again` on as well, perhaps."""
    depth = state[row, S_DEPTH]
    if depth < MOST_CHOICES:
        at = S_STACK + depth * CHOICE
        state[row, at] = step
        state[row, at + 1] = state[row, S_PLACE]
        state[row, at + 2] = state[row, S_END]
        state[row, at + 3] = again
        state[row, S_DEPTH] = depth + 1


@kernel
def step_bytes(code, step, buffer, begin, length, state, row):
    """byte_test, byte_jump, byte_extract, byte_math; whether it holds."""
    operation, flags = code[step, OP], code[step, FLAGS]
    at = number_of(code[step, C], state, row)
    if flags & RELATIVE:
        at += state[row, S_PLACE]
    size, base = number_of(code[step, A], state, row), code[step, B]
    if at < 0 or at > length or size > length - at or size < 0:
        return False
    taken = size
    if base:
        value, taken = text_number(buffer, begin + at, begin + at + size, base)
        if taken == 0:
            return False
    else:
        if size > 8:
            return False
        value = binary_number(buffer, begin + at, size, flags & LITTLE)
    if operation == BYTE_TEST:
        named = state[row, S_VARIABLES + (code[step, D] & 63)] if flags & NAMED else code[step, D]
        wanted = np.uint64(named)
        holds = compare(masked(value, code[step, E], code[step, F]), code[step, G], wanted)
        if holds and flags & NEGATED == 0:
            state[row, S_END] = max(state[row, S_END], at + taken)
        return holds != (flags & NEGATED != 0)
    if operation == BYTE_MATH:
        result, is_number = calculate(limited(value), code[step, G], number_of(code[step, D], state, row))
        if not is_number:
            return False
        if code[step, E] and result >= 0:
            result = (result & code[step, E]) >> code[step, F]
        state[row, S_VARIABLES + code[step, H]] = result
    elif operation == BYTE_EXTRACT:
        result = limited(value)
        result = np.int64(LARGEST) if result > LARGEST // code[step, D] else result * code[step, D]
        if code[step, G] and result % code[step, G]:
            result += code[step, G] - result % code[step, G]
        state[row, S_VARIABLES + code[step, H]] = result
    else:
        result = limited(masked(value, code[step, E], code[step, F]))
        result = np.int64(LARGEST) if result > LARGEST // code[step, D] else result * code[step, D]
        if flags & ALIGNED and result % 4:
            result += 4 - result % 4
        result += number_of(code[step, H], state, row)
        if code[step, G] == FROM_HERE:
            result += at + taken
        elif code[step, G] == FROM_END:
            result += length
        if result > length:
            return False
        state[row, S_PLACE] = max(np.int64(0), result)
        state[row, S_END] = max(state[row, S_END], at + taken, length if code[step, G] == FROM_END else result)
        return True
    state[row, S_PLACE] = at + taken
    state[row, S_END] = max(state[row, S_END], at + taken)
    return True


@kernel
def step_asked(code, step, state, row, fresh):
    """A step that Python answers; (whether it is answered, whether it holds). The question is in S_START and S_FROM: where
    its bytes begin, and from where a match may."""
    flags = code[step, FLAGS]
    if state[row, S_ANSWER] == 0:
        state[row, S_START] = state[row, S_PLACE] if flags & RELATIVE else 0
        return False, False
    is_yes = state[row, S_ANSWER] == 2
    state[row, S_ANSWER] = 0
    if flags & NEGATED:
        return True, not is_yes
    if is_yes:
        if flags & RELATIVE_NEXT or (code[step, OP] == PCRE and state[row, S_STOP] <= fresh):
            choose(state, row, step, state[row, S_START] + 1)
        if code[step, OP] == PCRE:
            state[row, S_PLACE] = state[row, S_STOP]
        state[row, S_END] = max(state[row, S_END], state[row, S_STOP])
    return True, is_yes


@kernel
def step_back(state, row):
    """Goes back to the last choice; whether there is one."""
    depth = state[row, S_DEPTH] - 1
    if depth < 0:
        return False
    at = S_STACK + depth * CHOICE
    state[row, S_STEP] = state[row, at]
    state[row, S_PLACE] = state[row, at + 1]
    state[row, S_END] = state[row, at + 2]
    state[row, S_FROM] = state[row, at + 3]
    state[row, S_DEPTH] = depth
    return True


@kernel
def run_programs(code, bounds, pool, buffer, which, spans, fresh, limit, rows, is_begun, state):
    """Runs or goes on with candidates until each holds, fails or asks.

    Args:
        code: int64[steps, 11].  bounds: int64[programs, 2], steps of each.  pool: uint8[...], bytes of contents.
        which: int64[n], program of each candidate.  spans: int64[n, 2].  fresh: int64[n], as Inspector.inspect.
        limit: steps that a candidate may take.
        rows: int64[m], candidates to be run.  is_begun: 0, or 1 for candidates that have asked and are answered.
        state: int64[n, STATE_COLUMNS], of any content for candidates that are not begun.
    """
    for i in range(len(rows)):
        row = rows[i]
        begin, length = spans[row, 0], spans[row, 1] - spans[row, 0]
        last = bounds[which[row], 1]
        if is_begun == 0:
            for column in range(S_STACK):
                state[row, column] = 0
            state[row, S_STEP] = bounds[which[row], 0]
            state[row, S_END] = NO_END
        state[row, S_RESULT] = FAILS
        while True:
            step = state[row, S_STEP]
            holds, is_final = True, NOT_FINAL
            if step == last:
                if fresh[row] == 0 or state[row, S_END] == NO_END or state[row, S_END] > fresh[row]:
                    state[row, S_RESULT] = HOLDS
                    break
                holds = False  # all of it is old: what comes again in new bytes is looked for
            else:
                state[row, S_SPENT] += 1
                if state[row, S_SPENT] >= limit:
                    state[row, S_RESULT] = GAVE_UP
                    break
                operation, flags = code[step, OP], code[step, FLAGS]
                if operation == CONTENT:
                    holds, is_final = step_content(code, step, pool, buffer, begin, length, state, row, fresh[row])
                elif operation == IS_DATA_AT:
                    wanted = number_of(code[step, A], state, row)
                    needed = wanted + (state[row, S_PLACE] if flags & RELATIVE else 1)
                    holds = (needed <= length) != (flags & NEGATED != 0)
                    if flags & NEGATED == 0:
                        state[row, S_END] = max(state[row, S_END], needed)
                elif operation == BUFFER_SIZE:
                    holds = (code[step, A] <= length <= code[step, B]) != (flags & NEGATED != 0)
                elif operation == PCRE or operation == BASE64:
                    was_tried = state[row, S_FROM] != 0
                    is_answered, holds = step_asked(code, step, state, row, fresh[row])
                    if flags & LAST_CHANCE:
                        is_final = FINAL_IF_NEW if was_tried else FINAL
                    if not is_answered:
                        state[row, S_SPENT] += QUESTION_STEPS - 1
                        state[row, S_RESULT] = ASKS
                        break
                    state[row, S_SPENT] -= 1  # it was counted when it was asked
                else:
                    holds = step_bytes(code, step, buffer, begin, length, state, row)
            if holds:
                state[row, S_STEP] += 1
                state[row, S_FROM] = 0
            elif is_final == FINAL or (is_final == FINAL_IF_NEW and fresh[row] == 0) or not step_back(state, row):
                break

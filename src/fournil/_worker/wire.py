"""Records that calls and answers travel as: a header, then a body.

Records are small: what is large travels in shared memory, and the record says where. A
descriptor travels by a socket of its own, where it is before the record that tells of it.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

LARGEST = 1 << 16
"""The most bytes that a body has; what is longer goes to shared memory."""

LONGEST = LARGEST + (1 << 15)
"""No record has as many bytes, with its head."""


class Ask(IntEnum):
    """Kinds of records that a parent sends to a worker."""

    CALL = 1  # number: the call's; other: the function's; body: arguments, packed, if it has any
    FUNCTION = 2  # number: the function's; body: the function, packed
    FORGET = 3  # number: that of a function that is not called any more
    SEGMENT = 4  # number: that of memory lent from now on, whose descriptor was sent; body: size
    RETURNED = 5  # number: that of memory which the worker lent; other: 0, it may use that again
    WITHDRAWN = 6  # number: that of memory not lent or shared any more
    TRIM = 7  # the worker may let go of memory that it lends and does not use
    START = 8  # body: what the worker runs before its calls, packed; none: nothing
    FILE = 9  # other: 1, the file of what is shared, whose descriptor was sent; 0: needed no more
    SHARED = 10  # number: that of memory shared from now on; body: size, offset in the file
    PATH = 11  # body: what is to be on the path of modules, packed


class Answer(IntEnum):
    """Kinds of records that a worker sends to its parent."""

    VALUE = 1  # number: the call's; body: what it returned, packed; none: None
    ERROR = 2  # number: the call's; body: what it raised
    READY = 3  # it is ready for calls
    BROKEN = 4  # it will never be; body: why
    SEGMENT = 5  # as above
    RETURNED = 6  # number: that of memory, lent or shared; flags: 0, it may be used again
    WITHDRAWN = 7
    LOG = 8  # body: a log record
    SKIPPED = 9  # number: that of a call which was revoked, and not begun
    RETIRING = 10  # it wants no more calls


ASK = Struct("=BBHIII")
"""Kind, flags, how many buffers, number, other number, size of the body."""

ANSWER = Struct("=BBHIIQQ")
"""Kind, flags, how many buffers, number, size of the body; when the call had run on the clock of
both sides, and for how long, ns."""

# Flags of bodies.
KEYWORDS = 1  # positional arguments, keyword arguments and values of context variables
ELSEWHERE = 2  # all of it is in shared memory, its buffers' places too

SHARED = 1 << 31
"""Added to the numbers of memory that is shared, which are those of the process that shares it
and not of one worker."""

SIZE = Struct("=Q")

RANGE = Struct("=QQ")
"""Size, and offset in the file of what is shared."""

"""An object as bytes and buffers, and back.

Pickle does most; what it refuses (lambdas, closures, local classes) and what the other side does
not find by its name (all that `__main__` holds, or a module that the program made) is left to
cloudpickle, which sends what it is made of. Big buffers stay what they are, for shared memory to
take.
"""

from __future__ import annotations

import pickle

from fournil._worker.memory import shares
from fournil._worker.pickling.reducing import SMALL, reducer_of, reducers

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any

PLAIN = frozenset({int, float, bool, str, bytes, type(None)})
"""Types whose objects hold no others: there is nothing to look for in them."""

SHORT = 1 << 12
"""A pickler that made no more bytes is used again; the memo of others takes long to clear."""


def pack(value: object) -> tuple[bytes, list[memoryview]]:
    """Return an object as bytes, and the buffers in it that are big or shared.

    Raises:
        BaseException: it cannot travel; whatever pickle, or a method of the object, raised.
    """
    if type(value) in PLAIN:
        return pickle.dumps(value, 5), []
    try:
        packer = _spare.pop()
    except IndexError:
        packer = Packer(Buffers(SMALL))
    body = packer.packed(value)
    if body is None:
        return pack_by_value(value, SMALL)
    buffers = packer.buffers[:]
    if len(body) <= SHORT:
        packer.buffers.clear()
        packer.pieces.clear()
        packer.clear_memo()
        _spare.append(packer)
    return body, buffers


def pack_all(value: object) -> tuple[bytes, list[memoryview]]:
    """Return an object as bytes, and all buffers in it, big or not; raise as `pack`."""
    packer = Packer(Buffers(1))
    body = packer.packed(value)
    return pack_by_value(value, 1) if body is None else (body, packer.buffers)


def pack_by_value(value: object, small: int) -> tuple[bytes, list[memoryview]]:
    """Return what `pack` does of an object that pickle alone refuses."""
    from fournil._worker.pickling.by_value import dumps

    found = Buffers(small)
    return dumps(value, found.keep), found


def pack_args(args: tuple[object, ...]) -> tuple[bytes, list[memoryview]]:
    """Return what `pack` does of a tuple, sooner if all in it is plain; b"" if it is empty."""
    if not args:
        return b"", []
    for value in args:
        if type(value) not in PLAIN:
            return pack(args)
    return pickle.dumps(args, 5), []


def unpack(body: bytes | memoryview, buffers: list[memoryview]) -> Any:
    """Return the object that was packed."""
    return pickle.loads(body, buffers=buffers)


class Buffers(list[memoryview]):
    """The buffers of an object that go out of band.

    Args:
        small: the fewest bytes of one, unless it is shared.
    """

    def __init__(self, small: int) -> None:
        super().__init__()
        self.small = small

    def keep(self, buffer: pickle.PickleBuffer) -> bool:
        """Take a buffer out of band, or return that it is to stay in it."""
        raw = buffer.raw()
        if raw.nbytes < self.small and not (shares.spans and _is_shared(raw)):
            return True
        self.append(raw)
        return False


def _is_shared(raw: memoryview) -> bool:
    from fournil._worker.memory.segments import address

    begin = address(raw)
    return shares.find(begin, begin + raw.nbytes) is not None


class Pieces(list[bytes]):
    """Pieces that a pickler writes."""

    write = list.append


class Packer(pickle.Pickler):
    """A pickler that takes buffers out of band, and gives up where objects travel by value."""

    def __init__(self, buffers: Buffers) -> None:
        self.buffers = buffers
        self.pieces = Pieces()
        super().__init__(self.pieces, 5, buffer_callback=buffers.keep)

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        try:
            reduce = reducers[kind]
        except (KeyError, TypeError):
            reduce = reducer_of(kind)
        return NotImplemented if reduce is None else reduce(value)

    def packed(self, value: object) -> bytes | None:
        """Return an object as bytes; None: pickle refuses it, or it travels by value."""
        try:
            self.dump(value)
        except Exception:
            return None
        pieces = self.pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        # An object may be a name in `__main__`, which another process looks for in vain.
        return None if b"__main__" in body else body


_spare: list[Packer] = []
"""Picklers to be used again; any thread takes or returns one in a step of the interpreter. One
that raised is not returned, and nobody else has the one that a method of an object interrupts."""

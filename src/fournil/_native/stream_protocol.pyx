"""asyncio's protocol of stream readers and writers, with native ones on both sides of it.

A protocol of asyncio's own class that a native stream is to call is given the class that is
defined here, a subclass of that, and its reader and its writer likewise.
"""

import asyncio

from fournil._native.reader cimport state_of
from fournil._native.reader import replaceable
from fournil._native.writer cimport DONE, write_natively

cdef type AsyncioProtocol = asyncio.StreamReaderProtocol
cdef object drain_of_asyncio = AsyncioProtocol._drain_helper


class StreamReaderProtocol(asyncio.StreamReaderProtocol):
    """The protocol of a stream reader as asyncio's, for what is written as well."""

    data_received = replaceable("data_received", AsyncioProtocol)

    def connection_made(self, transport):
        """Tell the reader, and the program that serves the connection."""
        serve = self._client_connected_cb
        if serve is not None:

            def serve_natively(reader, writer):
                write_natively(writer)
                return serve(reader, writer)

            self._client_connected_cb = serve_natively
        super().connection_made(transport)

    def _drain_helper(self):
        # Called at each drain, of which most find nothing to wait for.
        if self._paused or self._connection_lost:
            return drain_of_asyncio(self)
        return DONE


cdef ReaderState reader_fed_by(protocol):
    if type(protocol) is AsyncioProtocol:
        protocol.__class__ = StreamReaderProtocol
    if type(protocol) is not StreamReaderProtocol or protocol._stream_reader_wr is None:
        return None
    return state_of(protocol._stream_reader_wr(), protocol)

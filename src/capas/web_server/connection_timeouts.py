"""uvicorn's HTTP/1.1 connection with the time-outs that it lacks.

uvicorn waits for ever for the head of a request, and for a client that does not read its response: a few hundred such
connections (slow loris) use up all file descriptors. The body's time-out is the guard's, which can still answer.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

TIMEOUT_S: Final = 30.0


class TimedConnection(H11Protocol):
    """One connection, aborted when its client keeps it waiting.

    Attributes:
        timeout_s: Seconds for the head of a request, from its first byte or the start of the connection; and seconds
            for reading a response that did not fit into the buffers.
    """

    timeout_s = TIMEOUT_S
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the head of the first request."""
        super().connection_made(transport)
        self._time_head()

    def data_received(self, data: bytes) -> None:
        """Time the head of a request until it is complete: data in between does not start the time anew."""
        super().data_received(data)
        self._time_head()

    def on_response_complete(self) -> None:
        """Start waiting for the next request, unless the keep-alive time ends first."""
        super().on_response_complete()
        if self.transport.is_closing():  # once its buffer is sent
            self._time_writing()
        else:
            self._time_head()

    def timeout_keep_alive_handler(self) -> None:
        """Close the idle connection; what its client does not read is given up in the end."""
        super().timeout_keep_alive_handler()
        self._time_writing()

    def pause_writing(self) -> None:
        """Time how long the client leaves the buffer full."""
        super().pause_writing()
        self._time_writing()

    def resume_writing(self) -> None:
        """Stop that time."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop both times."""
        super().connection_lost(exc)
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()

    def _time_writing(self) -> None:
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.timeout_s, self.transport.abort)

    def _time_head(self) -> None:
        in_request = self.cycle is not None and not self.cycle.response_complete
        if in_request and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        elif not in_request and self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self.timeout_s, self.transport.abort)

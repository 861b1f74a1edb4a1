"""Reading the body of a request within a size and a time."""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.types import Message, Receive

DISCARDED_BYTES: Final = 100_000_000
DISCARDED_S: Final = 2.0


class BodyRefused(Exception):
    """The body was too large or too slow.

    Attributes:
        status: 413 or 408.
        key: Key of the error in the JSON.
    """

    def __init__(self, status: int, key: str) -> None:
        self.status = status
        self.key = key
        super().__init__(key)


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(receive: Receive, *, max_bytes: int, within_s: float) -> bytes:
    """Return the whole body.

    The bytes are counted as they come: a chunked body has no declared length, and a declared one may be wrong. The
    time is that of the whole body, so that a client that sends a byte now and then is cut off as well.

    Raises:
        BodyRefused: It has more than ``max_bytes``, or was not complete within ``within_s`` seconds.
        ClientGone: The connection was closed.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                body += message.get("body", b"")
                if len(body) > max_bytes:
                    raise BodyRefused(413, "too_large")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as error:
        raise BodyRefused(408, "too_slow") from error


async def discard_body(receive: Receive) -> None:
    """Read what a client goes on sending, up to a size and a time, and keep none of it.

    Closing a connection with unread bytes resets it, and the client might never see why it was refused.
    """
    count = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARDED_S):
            while count < DISCARDED_BYTES:
                message = await receive()
                count += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that delivers ``body`` at once, and then what the connection does (its end)."""
    waiting = [body]

    async def receive_replayed() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return receive_replayed

"""Following the ledger without missing or counting twice: events by cursor, over restarts of either side.

The cursor belongs into the same database transaction as what an event changed in the case system. Must never move a
cursor past an event that was not handled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from laufzettel.v1 import case_pb2

from .api import CallError, Node

_PAUSE_MAX_S = 5.0


@dataclass(frozen=True)
class Step:
    """One step of the feed: an event, or only a newer cursor because nothing matched for a while."""

    cursor: str
    event: case_pb2.Event | None
    live: bool


def follow(
    connect: Callable[[], Node], cursor: str, *, case_id: bytes = b"", stop: threading.Event | None = None
) -> Iterator[Step]:
    """Steps after a cursor ("" = from the first event kept), for ever, over any number of connections.

    `connect` is called for each connection, so that it may take another address. A cursor of one node is good at every
    other node of the network. Raises CallError if repeating cannot help.
    """
    stop = stop or threading.Event()
    pause_s = 0.1
    while not stop.is_set():
        try:
            with connect() as node:
                live = False
                for message in node.watch(cursor, case_id):
                    kind = message.WhichOneof("message")
                    live = live or kind == "caught_up"
                    cursor = getattr(message, kind).cursor
                    pause_s = 0.1
                    yield Step(cursor, message.event if kind == "event" else None, live)
                    if stop.is_set():
                        return
        except CallError as error:
            if not error.repeatable:
                raise
            stop.wait(max(pause_s, error.retry_after_s))
            pause_s = min(pause_s * 2, _PAUSE_MAX_S)

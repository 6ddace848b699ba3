"""Following the ledger without missing or counting twice: events by cursor, over restarts of either side.

The cursor belongs into the same database transaction as what an event changed in the case system. Must never move a
cursor past an event that was not handled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from laufzettel.v1 import case_pb2

from .api import CallError, Node

# A node sends a checkpoint every second (`api.CHECKPOINT_MS`); this long without any it is taken for gone.
SILENCE_MAX_S = 30.0
_PAUSE_MAX_S = 5.0


@dataclass(frozen=True)
class Step:
    """One step of the feed: an event, or only a newer cursor because nothing matched for a while."""

    cursor: str
    event: case_pb2.Event | None
    live: bool


def follow(
    connect: Callable[[], Node],
    cursor: str,
    *,
    case_id: bytes = b"",
    stop: threading.Event | None = None,
    silence_max_s: float = SILENCE_MAX_S,
) -> Iterator[Step]:
    """Steps after a cursor ("" = from the first event kept), for ever, over any number of connections.

    `connect` is called for each connection, so that it may take another address. A cursor of one node is good at every
    other node of the network. Raises CallError if repeating cannot help.
    """
    stop = stop or threading.Event()
    pause_s = 0.1
    while not stop.is_set():
        try:
            with connect() as node, _Guard(node, silence_max_s) as guard:
                live = False
                for message in node.watch(cursor, case_id):
                    kind = message.WhichOneof("message")
                    live = live or kind == "caught_up"
                    cursor = getattr(message, kind).cursor
                    pause_s = 0.1
                    guard.waits = None
                    yield Step(cursor, message.event if kind == "event" else None, live)
                    if stop.is_set():
                        return
                    guard.waits = time.monotonic()
        except CallError as error:
            if not error.repeatable:
                raise
            stop.wait(max(pause_s, error.retry_after_s))
            pause_s = min(pause_s * 2, _PAUSE_MAX_S)


class _Guard(threading.Thread):
    """Ends a connection on which nothing comes any more: a machine that vanishes closes none."""

    def __init__(self, node: Node, silence_max_s: float):
        super().__init__(daemon=True)
        self._node, self._silence_max_s, self._over = node, silence_max_s, threading.Event()
        # Since when the feed is waited for; None while an event is being handled.
        self.waits: float | None = time.monotonic()

    def __enter__(self) -> _Guard:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def run(self) -> None:
        while not self._over.wait(0.5):
            waits = self.waits
            if waits is not None and time.monotonic() - waits > self._silence_max_s:
                self._node.close()
                return

"""The outbox: what the case system decided reaches the ledger once, whatever fails in between.

1. In ONE database transaction with its own change the case system writes what is to be sent: id, signed bytes, end of
   validity (`put`).
2. A sender submits the oldest entry of each case, always the same bytes, until the network has called it final
   (`deliver`). It may be killed at any point and started again: the ledger tells a repeated submission its first
   outcome.

Must never drop an entry, sign one anew under another id, or send a later entry of a case before an earlier one.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from laufzettel.v1 import outcome_pb2

from . import ids, signing
from .api import CallError, Node

VALID_FOR_MS = 24 * 3_600_000

_SCHEMA = """
create table if not exists outbox (
  number integer primary key autoincrement,
  case_id blob not null,
  transaction_id blob not null unique,
  signed blob not null,
  valid_until_ms integer not null,
  state text not null default 'waiting' check (state in ('waiting', 'final', 'held')),
  reason text not null default '',
  height integer not null default 0,
  receipts text not null default '[]'
);
create index if not exists outbox_open on outbox (case_id, number) where state <> 'final';
create table if not exists outbox_payloads (
  transaction_id blob not null,
  payload_digest blob not null,
  primary key (transaction_id, payload_digest)
);
"""


def now_ms() -> int:
    """This machine's clock. It sets the first end of validity and nothing else; block time decides everything."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Delivery:
    """What one pass did. `held` needs a person; `retry_after_s` is set if the pass stopped early."""

    final: int
    held: int
    retry_after_s: float | None


class Outbox:
    """The outbox in the case system's own database."""

    def __init__(self, database: sqlite3.Connection, signer: signing.Signer):
        self._database = database
        self._signer = signer

    def create(self) -> None:
        """Makes the tables if they are not there."""
        self._database.executescript(_SCHEMA)

    def put(self, case_id: bytes, items: list[bytes], *, valid_for_ms: int = VALID_FOR_MS) -> bytes:
        """Signs items of one case and writes them down; the transaction id.

        Call it INSIDE the database transaction of the change that is reported, and do not send before that is
        committed: either both are there afterwards or neither.
        """
        if not self._database.in_transaction:
            raise RuntimeError("put() belongs into the transaction of the change it reports; begin one first")
        transaction_id = ids.random16()
        signed = signing.transaction(self._signer, items, transaction_id, now_ms() + valid_for_ms)
        self._database.execute(
            "insert into outbox (case_id, transaction_id, signed, valid_until_ms) values (?, ?, ?, ?)",
            (case_id, transaction_id, signed.data, signed.valid_until_ms),
        )
        self._remember(signed)
        return transaction_id

    def deliver(self, node: Node, *, timeout_s: float = 30) -> Delivery:
        """Sends what waits, oldest first, until nothing waits or the node cannot take more for now."""
        final = 0
        while (row := self._next()) is not None:
            number, transaction_id, signed, valid_until_ms = row
            try:
                done = self._send(node, number, transaction_id, signed, valid_until_ms, timeout_s)
            except CallError as error:
                if error.repeatable:
                    return Delivery(final, self._held(), error.retry_after_s)
                self._hold(number, error.reason or error.code.name)
                continue
            if not done:
                return Delivery(final, self._held(), 0.5)
            final += 1
        return Delivery(final, self._held(), None)

    def release(self, number: int) -> None:
        """Sends a held entry again, after a person has removed the cause."""
        with self._database:
            self._database.execute(
                "update outbox set state = 'waiting', reason = '' where number = ? and state = 'held'", (number,)
            )

    def refusals(self) -> list[tuple[bytes, str]]:
        """Items that are final and did nothing, with the reason: a person has to look at each."""
        rows = self._database.execute("select transaction_id, receipts from outbox where state = 'final'").fetchall()
        return [(row[0], one["reason"]) for row in rows for one in json.loads(row[1]) if not one["applied"]]

    # ---- one entry ----

    def _send(
        self, node: Node, number: int, transaction_id: bytes, signed: bytes, valid_until_ms: int, timeout_s: float
    ) -> bool:
        """Whether the entry is final now."""
        try:
            outcome = node.submit(signed, timeout_s=timeout_s)
        except CallError as error:
            if error.reason == "EXPIRED":
                return self._after_expiry(node, number, transaction_id, signed)
            if error.reason == "ID_TAKEN":
                # One of the earlier signings of this entry was committed after all; anything else is a fault.
                return self._finish(number, transaction_id, node.outcome(transaction_id))
            raise
        if outcome.state == outcome_pb2.TRANSACTION_STATE_EXPIRED:
            return self._after_expiry(node, number, transaction_id, signed)
        return self._finish(number, transaction_id, outcome)

    def _after_expiry(self, node: Node, number: int, transaction_id: bytes, signed: bytes) -> bool:
        # Expired says that it can no longer be committed, not that it was not.
        try:
            outcome = node.outcome(transaction_id)
        except CallError as error:
            if error.reason != "TRANSACTION_NOT_FOUND":
                raise
        else:
            if outcome.state == outcome_pb2.TRANSACTION_STATE_FINAL:
                return self._finish(number, transaction_id, outcome)
        # Same id and same items: if it was committed somewhere after all, the answer is ID_TAKEN and no second report.
        # Counted from block time: if this machine's clock is wrong, that is why it expired.
        block_time_ms = node.health().position.block_time_ms
        anew = signing.sign_anew(self._signer, signed, block_time_ms + VALID_FOR_MS)
        with self._database:
            self._remember(anew)
            self._database.execute(
                "update outbox set signed = ?, valid_until_ms = ? where number = ?",
                (anew.data, anew.valid_until_ms, number),
            )
        return False

    def _finish(self, number: int, transaction_id: bytes, outcome: outcome_pb2.Outcome) -> bool:
        if outcome.state != outcome_pb2.TRANSACTION_STATE_FINAL:
            return False
        known = self._database.execute(
            "select 1 from outbox_payloads where transaction_id = ? and payload_digest = ?",
            (transaction_id, outcome.payload_digest),
        ).fetchone()
        if known is None:
            self._hold(number, "ID_TAKEN")
            return False
        receipts = [
            {"item": one.item_digest.hex(), "applied": one.applied, "reason": one.reason, "deviation": one.deviation}
            for one in outcome.receipts
        ]
        with self._database:
            self._database.execute(
                "update outbox set state = 'final', reason = '', height = ?, receipts = ? where number = ?",
                (outcome.height, json.dumps(receipts), number),
            )
        return True

    # ---- rows ----

    def _next(self) -> tuple[int, bytes, bytes, int] | None:
        """The oldest waiting entry with no held one before it in its case."""
        return self._database.execute(
            "select number, transaction_id, signed, valid_until_ms from outbox as one where state = 'waiting' and not "
            "exists (select 1 from outbox as held where held.case_id = one.case_id and held.number < one.number and "
            "held.state = 'held') order by number limit 1"
        ).fetchone()

    def _held(self) -> int:
        return self._database.execute("select count(*) from outbox where state = 'held'").fetchone()[0]

    def _hold(self, number: int, reason: str) -> None:
        with self._database:
            self._database.execute("update outbox set state = 'held', reason = ? where number = ?", (reason, number))

    def _remember(self, signed: signing.Signed) -> None:
        self._database.execute(
            "insert or ignore into outbox_payloads values (?, ?)", (signed.transaction_id, signed.payload_digest)
        )


def run(outbox: Outbox, connect: Callable[[], Node], stop: Callable[[], bool]) -> None:
    """A sender's loop: connects, delivers, pauses, for ever."""
    pause_s = 0.1
    while not stop():
        try:
            with connect() as node:
                while not stop():
                    delivery = outbox.deliver(node)
                    if delivery.retry_after_s is not None:
                        pause_s = min(max(pause_s, delivery.retry_after_s), 5.0)
                        break
                    pause_s = 0.1
                    time.sleep(0.2)
        except CallError as error:
            pause_s = min(max(pause_s, error.retry_after_s), 5.0)
        time.sleep(pause_s)

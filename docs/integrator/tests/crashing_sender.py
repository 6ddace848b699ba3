"""A case system with an outbox that kills itself at its n-th step: `crashing_sender.py DATABASE PROFILE GENESIS N`.

A step is what lies before an SQL statement, and either side of a submission. Nothing in the client knows of it.
"""

import datetime
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path

from laufzettel_client import ids, proof, signing
from laufzettel_client.api import Node, Profile
from laufzettel_client.outbox import Outbox


def write_and_send(database: sqlite3.Connection, outbox: Outbox, node: Node) -> bytes:
    """Makes one file and reports it, if that has not been done; sends what waits; the case."""
    outbox.create()
    database.execute("create table if not exists files (case_id blob not null)")
    row = database.execute("select case_id from files").fetchone()
    case_id = row[0] if row else ids.random16()
    if not row:
        content = signing.status("application_made", datetime.date(2026, 6, 15))
        with database:
            database.execute("insert into files values (?)", (case_id,))
            outbox.put(case_id, [signing.open_case(case_id, "asyl-de", 1), signing.report(case_id, content)])
    send_all(outbox, node)
    return case_id


def send_all(outbox: Outbox, node: Node) -> int:
    """Delivers until nothing waits any more, however slow the machine is; how many became final."""
    final = 0
    while True:
        delivery = outbox.deliver(node)
        final += delivery.final
        if delivery.retry_after_s is None:
            return final
        time.sleep(delivery.retry_after_s)


def signer_of(profile: Profile, genesis: Path) -> signing.Signer:
    """Signs for the profile's authority with its service key."""
    trusted = proof.Trusted.from_genesis(genesis.read_bytes())
    return signing.Signer(profile.authority, signing.load_key(profile.folder / "service.pem"), trusted.network)


def main() -> None:
    database, profile, left = sqlite3.connect(sys.argv[1]), Profile(Path(sys.argv[2])), int(sys.argv[4])

    def step(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    class Counted(Node):
        def submit(self, signed: bytes, **options):
            step()
            outcome = super().submit(signed, **options)
            step()
            return outcome

    with profile.connect() as node:
        node.__class__ = Counted
        outbox = Outbox(database, signer_of(profile, Path(sys.argv[3])))
        database.set_trace_callback(step)
        write_and_send(database, outbox, node)


if __name__ == "__main__":
    main()

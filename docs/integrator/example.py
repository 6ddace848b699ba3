"""A case system's day, small: report with the outbox, follow the ledger, correct, and verify a proof offline.

    python example.py --profile PROFILE --genesis genesis.toml [--key service.pem] [--database case-system.db]

Run it again with the same database: it goes on where it was. docs/INTEGRATION.md explains each step.
"""

import argparse
import datetime
import sqlite3
import tomllib
from pathlib import Path

from laufzettel_client import feed, ids, proof, signing
from laufzettel_client.api import Node, Profile
from laufzettel_client.outbox import Outbox

# Stands for the case system's own tables. The file number never leaves this database.
SCHEMA = """
create table if not exists files (
  file_number text primary key,
  case_id blob not null unique,
  slot blob,
  status text not null default ''
);
create table if not exists cursors (name text primary key, cursor text not null);
"""


def newest_version(genesis: bytes, process: str) -> int:
    """The newest version of a process in the genesis file. One adopted later is in ListDefinitions."""
    texts = [tomllib.loads(entry["text"]) for entry in tomllib.loads(genesis.decode())["definition"]]
    return max(text["process"]["version"] for text in texts if text["process"]["id"] == process)


def open_file(
    database: sqlite3.Connection, outbox: Outbox, authority: str, file_number: str, process: tuple[str, int]
) -> bytes:
    """The case system's own change, and what is reported of it, in one database transaction."""
    known = database.execute("select case_id from files where file_number = ?", (file_number,)).fetchone()
    if known:
        return known[0]
    case_id = ids.random16()
    made = signing.report(case_id, signing.status("application_made", datetime.date.today()))
    slot = ids.slot(authority, ids.item_digest(made))
    with database:
        database.execute(
            "insert into files (file_number, case_id, slot) values (?, ?, ?)", (file_number, case_id, slot)
        )
        outbox.put(case_id, [signing.open_case(case_id, *process), made])
    return case_id


def correct_day(database: sqlite3.Connection, outbox: Outbox, case_id: bytes, day: datetime.date) -> None:
    """A correction names the slot of the first report and holds the whole report as it should have been."""
    (slot,) = database.execute("select slot from files where case_id = ?", (case_id,)).fetchone()
    with database:
        database.execute("update files set status = 'correcting' where case_id = ?", (case_id,))
        outbox.put(case_id, [signing.correct(case_id, slot, signing.status("application_made", day))])


def read_on(database: sqlite3.Connection, profile: Profile, until: bytes) -> int:
    """Follows the ledger from the stored cursor until everything up to now is read; how many events concerned us."""
    row = database.execute("select cursor from cursors where name = 'events'").fetchone()
    concerned = 0
    for step in feed.follow(profile.connect, row[0] if row else ""):
        # What an event changes, and the cursor behind it: one database transaction, so that a crash repeats both.
        with database:
            if step.event is not None:
                kind = step.event.WhichOneof("action")
                known = database.execute(
                    "update files set status = ? where case_id = ?",
                    (f"{kind} in block {step.event.height}", step.event.case_id),
                )
                concerned += known.rowcount
            database.execute("insert or replace into cursors values ('events', ?)", (step.cursor,))
        if step.live:
            return concerned
    raise AssertionError("a feed ends only when it is told to")


def check_network(node: Node, trusted: proof.Trusted) -> int:
    """The node must be of the network we were told of; its incarnation."""
    health = node.health()
    if health.network != trusted.network:
        raise SystemExit(f"the node is of network {health.network.hex()}, the genesis file of {trusted.network.hex()}")
    return health.incarnation


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", type=Path, required=True, help="folder with certificates and profile.toml")
    parser.add_argument("--key", type=Path, help="the key that signs [default: PROFILE/service.pem]")
    parser.add_argument("--genesis", type=Path, required=True, help="the network's genesis file")
    parser.add_argument("--database", default=":memory:", help="the case system's database")
    given = parser.parse_args(arguments)

    genesis = given.genesis.read_bytes()
    trusted = proof.Trusted.from_genesis(genesis)
    profile = Profile(given.profile)
    authority = profile.authority
    with profile.connect() as node:
        incarnation = check_network(node, trusted)
        key = signing.load_key(given.key or given.profile / "service.pem")
        signer = signing.Signer(authority, key, trusted.network, incarnation, "example-1.0")
        database = sqlite3.connect(given.database)
        database.executescript(SCHEMA)
        outbox = Outbox(database, signer)
        outbox.create()

        case_id = open_file(database, outbox, authority, "AZ 1/26", ("asyl-de", newest_version(genesis, "asyl-de")))
        print(f"case           {ids.print_case(case_id)}")
        print(f"sent           {outbox.deliver(node).final} transaction(s), final")
        print(f"followed       {read_on(database, profile, case_id)} event(s) of ours")

        yesterday = datetime.date.today() - datetime.timedelta(days=1)
        correct_day(database, outbox, case_id, yesterday)
        print(f"corrected      {outbox.deliver(node).final} transaction(s), final")
        (height,) = database.execute("select max(height) from outbox").fetchone()
        if outbox.refusals():
            raise SystemExit(f"refused: {outbox.refusals()}")

        answer = node.case(case_id, min_height=height)
        for track in answer.view.tracks:
            day = datetime.date(1970, 1, 1) + datetime.timedelta(days=track.occurred.day)
            print(f"stands         {track.track}: {track.status} on {day}, by {track.authority}")

        shown = node.prove(case_id, (0, 16), min_height=height).SerializeToString()
    # From here on nobody is asked.
    proven = proof.verify(shown, trusted)
    track = proof.read_track(proven.fields[16])
    if track.occurred_day != signing.days(yesterday):
        raise SystemExit("what is proven is not what was reported")
    print(f"proven         {track.status} by {track.authority}, block {proven.height}")
    print(f"signed by      {', '.join(proven.signers)}")


if __name__ == "__main__":
    main()

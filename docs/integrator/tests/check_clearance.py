"""Checks one answer of a clearance check, as a program would that was handed it with a file, and damages of it.

Run by the test network: genesis file, file with the answer (a CheckClearanceResponse), case (32 hexadecimal digits),
status. Prints what is proven. Ends with an error if the answer proves nothing, or a damaged one proves something else.
"""

import random
import sys
from pathlib import Path

from google.protobuf.message import DecodeError
from laufzettel.v1 import case_service_pb2 as pb

from laufzettel_client.clearance import Network, Proven, verify_clearance
from laufzettel_client.ids import random16
from laufzettel_client.proof import ProofRefused

FLIPS = 400


def tried(data: bytes, case_id: bytes, status: str, network: Network) -> Proven | None:
    """What is proven; None if that is nothing."""
    try:
        return verify_clearance(pb.CheckClearanceResponse.FromString(data), case_id, status, network)
    except (ProofRefused, DecodeError):
        return None


def main(genesis: str, file: str, case: str, status: str) -> None:
    network, data, case_id = Network.from_genesis(Path(genesis).read_bytes()), Path(file).read_bytes(), bytes.fromhex(case)
    proven = verify_clearance(pb.CheckClearanceResponse.FromString(data), case_id, status, network)
    assert proven is not None, "it is not current"
    assert tried(data, random16(), status, network) is None, "of another case"
    assert tried(data, case_id, "application_made", network) is None, "of another act"
    answer = pb.CheckClearanceResponse.FromString(data)
    for part in ("proof", "process", "item"):
        less = pb.CheckClearanceResponse()
        less.CopyFrom(answer)
        less.ClearField(part)
        assert tried(less.SerializeToString(), case_id, status, network) is None, f"without {part}"
    less.CopyFrom(answer)
    other = pb.CLEARANCE_VERDICT_NO_LOCK_KNOWN if proven.locked else pb.CLEARANCE_VERDICT_LOCKED
    less.verdict = other
    assert tried(less.SerializeToString(), case_id, status, network) is None, "the other verdict"
    less.CopyFrom(answer)
    for source in less.sources:
        source.beat = b""
    silent = tried(less.SerializeToString(), case_id, status, network)
    assert silent == (proven if proven.locked else None), "without beats"
    # A flipped bit either is in what proves nothing, such as the text for people, or nothing is proven any more.
    chance, refused = random.Random(7), 0
    for at in chance.sample(range(len(data)), min(FLIPS, len(data))):
        flipped = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        found = tried(flipped, case_id, status, network)
        assert found in (None, proven), f"byte {at}: {found}"
        refused += found is None
    name, version = proven.process
    print("locked" if proven.locked else "no lock", f"{name}@{version}", "voted" if proven.voted else "genesis")
    print(",".join(proven.beats), refused)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Checks the answer of a clearance check with the genesis file alone (docs/FORMATS.md, "Answers to clearance checks").

The way: the receipt is in a certified block and answers this question -> the case stands under this process, of the genesis
file or adopted by vote -> by that process these authorities may raise a lock -> the node of each signed that it knows the
block and that nothing waits. Must never trust the node that answered. How old a beat was is that node's word alone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from laufzettel.v1 import case_service_pb2 as pb
from laufzettel.v1 import proof_pb2
from laufzettel.v1 import transaction_pb2

from . import ids
from .proof import Header, Reader, Trusted, check_head, check_tree, read_header, read_identity, refuse, verifies, verify
from .signing import NotCanonical, check_canonical

_REGISTER_KEY = b"\x05\x05"
_DEFINITION = 1
_LOCKED, _NO_LOCK = 1, 2
# What may set a lock may have waited for so long when the beat was signed.
_PENDING_MAX_MS = 2_000
# A tree with more receipts has a longer path than this.
_PATH_MAX = 32


@dataclass(frozen=True)
class Authority:
    """What the genesis file says of an authority."""

    roles: frozenset[str]
    hosted_by: str
    node_keys: tuple[bytes, ...]


@dataclass(frozen=True)
class Network:
    """All that has to be believed: the validators, who holds which role, and the first processes."""

    trusted: Trusted
    authorities: dict[str, Authority]
    definitions: dict[tuple[str, int], Definition]

    @classmethod
    def from_genesis(cls, genesis: bytes, network: bytes | None = None) -> Network:
        """From the genesis file. Give the network id you were told by another way, and it is compared."""
        trusted = Trusted.from_genesis(genesis, network)
        file = tomllib.loads(genesis.decode())
        authorities = {}
        for one in file["authority"]:
            keys = tuple(bytes.fromhex(key["public"]) for key in one["key"] if key["purpose"] == "node")
            authorities[one["id"]] = Authority(frozenset(one["roles"]), one["hosted_by"], keys)
        texts = [Definition(one["text"]) for one in file["definition"]]
        return cls(trusted, authorities, {(one.id, one.version): one for one in texts})


@dataclass(frozen=True)
class Proven:
    """What an answer proves: that at this height the ledger gave it, under which process, and whose nodes knew the block."""

    locked: bool
    height: int
    time_ms: int
    process: tuple[str, int]
    voted: bool
    beats: tuple[str, ...]


# ---- the process ----


class Definition:
    """As much of a process definition as says on whose reports a lock depends."""

    def __init__(self, text: str):
        self._text = tomllib.loads(text)
        self.id: str = self._text["process"]["id"]
        self.version: int = self._text["process"]["version"]

    def _all(self, kind: str) -> dict:
        return self._text.get(kind, {})

    def announcement(self, status: str) -> str:
        """What stands on the ledger for a status: of a restricted one its class alone."""
        known = self._all("status").get(status) or refuse(f"the process of the case has no status {status}")
        return known.get("ledger_as", status)

    def lock_sources(self, announcement: str) -> set[str]:
        """Roles on whose reports it depends whether an announcement is stopped.

        Follows effects to the rules that make or end them, and rules to what runs them and what they ask. A condition is
        taken to ask of everything that it names: rather an authority too many than one too few.
        """
        locks, statuses = self._all("lock"), self._all("status")
        stands_for = {code for code, one in statuses.items() if one.get("ledger_as", code) == announcement}
        wanted = [code for code, lock in locks.items() if stands_for & set(lock["stops"])]
        seen: set[str] = set()
        found: set[str] = set()
        while wanted:
            effect = wanted.pop()
            if effect in seen:
                continue
            seen.add(effect)
            found.update(self._all("deadline").get(effect, {}).get("met_by", []))
            found.update(self._all("task").get(effect, {}).get("done_by", []))
            for rule in self._text.get("rule", []):
                if effect not in _touched(rule):
                    continue
                named = set(re.findall(r"[a-z][a-z0-9_]*", rule.get("when", "")))
                found.update(named & statuses.keys())
                wanted.extend(named & (locks.keys() | self._all("deadline").keys()))
                wanted.extend(named & (self._all("task").keys() | self._all("marker").keys()))
                if "regime" in named and "regimes" in self._text:
                    found.add(self._text["regimes"]["decided_by"])
                for kind, cause in rule["on"].items():
                    if kind == "status":
                        found.add(cause)
                    else:
                        wanted.append(cause)
        return {role for status in found for role in statuses[status]["reported_by"]}


def _touched(rule: dict) -> set[str]:
    """What a rule makes or ends."""
    lists = ("close", "stop", "unlock", "clear", "start", "lock", "mark")
    touched = {code for name in lists for code in rule.get(name, [])}
    touched.update(one["task"] for one in rule.get("open", []))
    touched.update(one["notice"] for one in rule.get("notify", []))
    return touched


@dataclass(frozen=True)
class _Adopted:
    kind: int
    id: str
    version: int
    text_hash: bytes
    moves_from: int
    since_height: int | None


def _read_adopted(register: bytes) -> list[_Adopted]:
    """What was adopted by vote, from the list that the state has (A.5, `05 05`)."""
    reader = Reader(register, "register")
    for _ in _counted(reader):
        reader.raw(32), reader.text(), reader.number(">Q")
    for _ in _counted(reader):
        reader.raw(32)
    adopted = []
    for _ in _counted(reader):
        kind, name, version, text_hash = reader.number(">B"), reader.text(), reader.number(">I"), reader.raw(32)
        # Place of the proposal; height of adoption, and from which height on it is in force.
        reader.raw(8 + 4 + 2 + 8 + 8)
        moves_from = reader.number(">I")
        since = reader.number(">Q") if reader.presence() else None
        if since is not None:
            reader.number(">Q")
        adopted.append(_Adopted(kind, name, version, text_hash, moves_from, since))
    if reader.presence():
        reader.raw(16)
    reader.number(">Q")
    reader.end()
    return [one for one in adopted if one.kind == _DEFINITION]


def _counted(reader: Reader) -> Iterator[int]:
    # Each value takes bytes, so a count that is too high ends where they end.
    return iter(range(reader.number(">I")))


def check_process(message: proof_pb2.ProcessProof, case_id: bytes, network: Network) -> tuple[Definition, int, bool]:
    """The definition that the case stands under, the height it is proven at, and whether it was adopted by vote."""
    proven = verify(message.case.SerializeToString(deterministic=True), network.trusted)
    if not proven.exists or proven.case_id != case_id or 0 not in proven.fields:
        refuse("the proof of the process does not show the identity of the case")
    case, name, version, _ = read_identity(proven.fields[0])
    if case != case_id:
        refuse("the proof of the process is of another case")
    state_root = read_header(message.case.head.header).state_root
    check_tree(state_root, _REGISTER_KEY, message.register or None, message.register_proof)
    adopted = [one for one in _read_adopted(message.register) if one.id == name] if message.register else []
    # Versions only rise: the way ends.
    while moved := [
        one
        for one in adopted
        if 0 < version == one.moves_from < one.version
        and one.since_height is not None
        and one.since_height <= proven.height
    ]:
        version = moved[0].version
    voted = next((one for one in adopted if one.version == version), None)
    if voted is None:
        known = network.definitions.get((name, version))
        return known or refuse(f"{name} {version} is not of the genesis file and was not adopted"), proven.height, False
    if ids.derive("definition", message.text.encode()) != voted.text_hash:
        refuse(f"the text of {name} {version} is not the one that was adopted")
    return Definition(message.text), proven.height, True


# ---- the receipt and the beats ----


def _receipt(proof: pb.ReceiptProof, receipts_root: bytes) -> tuple[bytes, int]:
    """Digest of the item, and the answer, of a receipt that is in the block."""
    at, count, path = proof.index, proof.count, list(proof.path)
    if at >= count or len(path) > _PATH_MAX or any(len(one) != 32 for one in path):
        refuse("the place of the receipt is malformed")
    found = ids.derive("receipt leaf", proof.receipt)
    while count > 1:
        if at ^ 1 < count:
            other = path.pop(0) if path else refuse("the path of the receipt is too short")
            found = ids.derive("receipt node", other + found if at & 1 else found + other)
        at, count = at // 2, (count + 1) // 2
    if path or found != receipts_root:
        refuse("the receipt is not in the block")
    reader = Reader(proof.receipt, "receipt")
    digest, _, _, _ = reader.raw(32), reader.number(">H"), reader.number(">H"), reader.number(">Q")
    if reader.presence():
        reader.raw(16)
    answer = reader.number(">B")
    reader.end()
    return digest, answer


def _check_question(item: bytes, digest: bytes, case_id: bytes, announcement: str) -> None:
    if ids.item_digest(item) != digest:
        refuse("the receipt is of another check")
    check_canonical(transaction_pb2.Item, item)
    asked = transaction_pb2.Item.FromString(item)
    is_check = asked.WhichOneof("action") == "clearance_check" and asked.clearance_check.status == announcement
    if not is_check or asked.case_id != case_id:
        refuse("the check on the ledger is of another case or another act")


def _check_beat(source: pb.ClearanceSource | None, authority: Authority, header: Header, network: Network) -> None:
    """That the node of an authority signed that it knows the block, and told of nothing that waits."""
    if source is None:
        refuse("of somebody who may raise a lock there is no beat")
    reader = Reader(source.beat, f"beat of {source.authority}")
    of_network, incarnation, node = reader.raw(32), reader.number(">I"), reader.text()
    reader.number(">Q")
    time_ms, height, block, oldest_ms = reader.number(">Q"), reader.number(">Q"), reader.raw(32), reader.number(">Q")
    signature = reader.raw(64)
    reader.end()
    own = (of_network, incarnation, node) == (header.network, header.incarnation, authority.hosted_by)
    if not own or not (height > header.height or (height, block) == (header.height, header.block)):
        refuse(f"{source.authority} may raise a lock, and its node has not signed that it knows the block")
    signed = b"laufzettel/beat/v1\x00" + source.beat[:-64]
    if not any(verifies(key, signed, signature) for key in network.authorities[node].node_keys):
        refuse(f"the beat of {source.authority} is not signed by its node")
    if oldest_ms > 0 and time_ms - oldest_ms > _PENDING_MAX_MS:
        refuse(f"the node of {source.authority} signed that something that may lock was waiting")


# ---- the whole ----


def verify_clearance(
    answer: pb.CheckClearanceResponse, case_id: bytes, status: str, network: Network
) -> Proven | None:
    """What an answer to a check of the announcement of an act, by its status code, proves.

    None by an answer that says of itself that it is not current. Raises ProofRefused if it does not hold.
    """
    if answer.verdict == pb.CLEARANCE_VERDICT_NOT_CURRENT:
        return None
    if answer.verdict not in (pb.CLEARANCE_VERDICT_LOCKED, pb.CLEARANCE_VERDICT_NO_LOCK_KNOWN):
        refuse("the answer has no verdict that this program knows")
    header, _ = check_head(answer.proof.head, network.trusted)
    definition, at, voted = check_process(answer.process, case_id, network)
    if at < header.height:
        refuse(f"the process is proven at height {at}, below height {header.height} of the receipt")
    announcement = definition.announcement(status)
    digest, found = _receipt(answer.proof, header.receipts_root)
    try:
        _check_question(answer.item, digest, case_id, announcement)
    except NotCanonical as error:
        refuse(str(error))
    locked = answer.verdict == pb.CLEARANCE_VERDICT_LOCKED
    if found != (_LOCKED if locked else _NO_LOCK):
        refuse(f"the answer on the ledger is {found}, which is another than the node's verdict")
    beats = []
    if not locked:
        roles = definition.lock_sources(announcement)
        sources = {one.authority: one for one in reversed(answer.sources)}
        for name, authority in sorted(network.authorities.items()):
            if authority.roles & roles:
                _check_beat(sources.get(name), authority, header, network)
                beats.append(name)
    process = (definition.id, definition.version)
    return Proven(locked, header.height, header.time_ms, process, voted, tuple(beats))

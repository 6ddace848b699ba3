"""Checks a proof of a case with the genesis file alone (docs/FORMATS.md A.4, A.5, "Proofs").

The way: genesis file -> its hash is the network, and its validators -> certificate -> header -> state root -> case root
-> fields. Nothing here asks anybody; every byte of a proof is either checked or refused. Must never trust what a proof
says of itself: the validators in it count only because they are those of the genesis file.

In protocol version 1 the validators are those of the genesis file at every height.
"""

from __future__ import annotations

import struct
import tomllib
from dataclasses import dataclass
from typing import NoReturn

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from laufzettel.v1 import proof_pb2 as pb

from . import ids
from .signing import NotCanonical, check_canonical

FORMAT = "laufzettel-case/1"
FIELDS = 32
_PLACEHOLDER = b"SPARSE_MERKLE_PLACEHOLDER_HASH__"
_TREE_PROOF_BYTES_MAX = 64 * 1024
_SIBLINGS_MAX = 256
_PRECOMMIT = 2
_VALIDATORS_MAX = 100
# Points of small order without the sign bit, in every encoding. Strict verification refuses them as key and as R.
_SMALL_ORDER = {
    bytes(32),
    bytes.fromhex("01" + 31 * "00"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("ec" + 30 * "ff" + "7f"),
    bytes.fromhex("ed" + 30 * "ff" + "7f"),
    bytes.fromhex("ee" + 30 * "ff" + "7f"),
}


class ProofRefused(Exception):
    """The proof proves nothing; the text says which step failed."""


def refuse(why: str) -> NoReturn:
    """Ends the check: nothing is proven."""
    raise ProofRefused(why)


class Reader:
    """Takes values off canonical bytes (A.1); `end` refuses what is left over."""

    def __init__(self, data: bytes, what: str):
        self._data, self._at, self._what = data, 0, what

    def raw(self, count: int) -> bytes:
        """So many bytes."""
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            refuse(f"{self._what}: the bytes end inside a value")
        self._at += count
        return taken

    def number(self, form: str) -> int:
        """A whole number, as `struct` names its form."""
        return struct.unpack(form, self.raw(struct.calcsize(form)))[0]

    def text(self) -> str:
        """A str."""
        try:
            return self.raw(self.number(">I")).decode()
        except UnicodeDecodeError:
            refuse(f"{self._what}: text that is no UTF-8")

    def presence(self) -> bool:
        """Whether an opt is there."""
        found = self.raw(1)[0]
        return bool(found) if found < 2 else refuse(f"{self._what}: a presence byte that is neither 0 nor 1")

    def end(self) -> None:
        """That nothing is left."""
        if self._at != len(self._data):
            refuse(f"{self._what}: bytes are left over")


def _str(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">I", len(data)) + data


# ---- what is trusted ----


@dataclass(frozen=True)
class Validator:
    """Who votes, with which key and power."""

    address: bytes
    authority: str
    public_key: bytes
    power: int

    def canonical(self) -> bytes:
        """Canonical bytes (A.4)."""
        return self.address + _str(self.authority) + self.public_key + struct.pack(">Q", self.power)


@dataclass(frozen=True)
class Trusted:
    """A network and its validators, ascending by address: all that has to be believed."""

    network: bytes
    name: str
    validators: tuple[Validator, ...]

    @classmethod
    def from_genesis(cls, genesis: bytes, network: bytes | None = None) -> Trusted:
        """From the genesis file. Give the network id you were told by another way, and it is compared."""
        found = ids.network_id(genesis)
        if network is not None and network != found:
            refuse(f"the genesis file is that of network {found.hex()}, not of {network.hex()}")
        file = tomllib.loads(genesis.decode())
        keys: dict[str, list[bytes]] = {}
        for authority in file["authority"]:
            consensus = [bytes.fromhex(key["public"]) for key in authority["key"] if key["purpose"] == "consensus"]
            # With several consensus keys the one with the lowest id votes.
            keys[authority["id"]] = sorted(consensus, key=ids.key_id)
        validators = []
        for one in file["validator"]:
            public_key = keys[one["authority"]][0]
            validators.append(Validator(ids.key_id(public_key), one["authority"], public_key, one["power"]))
        return cls(found, file["name"], tuple(sorted(validators, key=lambda one: one.address)))

    def canonical(self) -> bytes:
        """Canonical bytes of the validators; their hash is the header's validators_hash."""
        return struct.pack(">I", len(self.validators)) + b"".join(one.canonical() for one in self.validators)


# ---- header and certificate ----


@dataclass(frozen=True)
class Header:
    """The fields of a header that a reader of proofs needs."""

    block: bytes
    network: bytes
    incarnation: int
    height: int
    time_ms: int
    receipts_root: bytes
    state_root: bytes
    validators_hash: bytes


def read_header(data: bytes) -> Header:
    """A header from its canonical bytes (266 of them)."""
    reader = Reader(data, "header")
    reader.number(">H")
    network, incarnation, height = reader.raw(32), reader.number(">I"), reader.number(">Q")
    reader.number(">I")
    time_ms = reader.number(">Q")
    reader.raw(32 + 16 + 32)
    receipts_root, state_root, validators_hash = reader.raw(32), reader.raw(32), reader.raw(32)
    reader.raw(32)
    reader.end()
    block = ids.derive("block", data)
    return Header(block, network, incarnation, height, time_ms, receipts_root, state_root, validators_hash)


def check_head(head: pb.CertifiedHeader, trusted: Trusted) -> tuple[Header, tuple[str, ...]]:
    """The header, and who signed it; refused unless validators with more than two thirds of the power did."""
    header = read_header(head.header)
    if header.network != trusted.network:
        refuse(f"the header is of network {header.network.hex()}, the genesis file of {trusted.network.hex()}")
    canonical = trusted.canonical()
    if header.validators_hash != ids.derive("validators", canonical) or head.validators != canonical:
        refuse("the header names other validators than the genesis file")
    reader = Reader(head.certificate, "certificate")
    height, round_, block = reader.number(">Q"), reader.number(">I"), reader.raw(32)
    if height != header.height or block != header.block:
        refuse("the certificate is about another block than the header")
    count = reader.number(">I")
    if count > _VALIDATORS_MAX:
        refuse("certificate: more signatures than there can be validators")
    by_address = {one.address: one for one in trusted.validators}
    signed, last, signers = 0, b"", []
    for _ in range(count):
        address, signature = reader.raw(16), reader.raw(64)
        validator = by_address.get(address) or refuse(f"{address.hex()} is no validator")
        if address <= last:
            refuse("the signatures are not strictly ascending by address")
        last = address
        vote = (
            header.network
            + struct.pack(">IQIB", header.incarnation, height, round_, _PRECOMMIT)
            + (b"\x01" + block)
            + address
        )
        if not verifies(validator.public_key, b"laufzettel/vote/v1\x00" + vote, signature):
            refuse(f"the signature of {validator.authority} is wrong")
        signed += validator.power
        signers.append(validator.authority)
    reader.end()
    total = sum(one.power for one in trusted.validators)
    if 3 * signed <= 2 * total:
        refuse(f"validators with {signed} of {total} voting power signed; more than two thirds are needed")
    return header, tuple(signers)


def verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature is right, strictly (A.1)."""
    for point in (public_key, signature[:32]):
        if point[:31] + bytes([point[31] & 0x7F]) in _SMALL_ORDER:
            return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


# ---- state tree ----


def _leaf_node(position: bytes, value_hash: bytes) -> bytes:
    return blake3(b"JMT::LeafNode" + position + value_hash).digest()


def _inner_node(left: bytes, right: bytes) -> bytes:
    return blake3(b"JMT::IntrnalNode" + left + right).digest()


def check_tree(root: bytes, key: bytes, value: bytes | None, proof: bytes) -> None:
    """Refuses unless the state with this root has this value at the key, or nothing there if the value is None."""
    if len(proof) > _TREE_PROOF_BYTES_MAX:
        refuse("tree proof: too long")
    reader = Reader(proof, "tree proof")
    leaf = (reader.raw(32), reader.raw(32)) if reader.presence() else None
    count = reader.number("<I")
    if count > _SIBLINGS_MAX:
        refuse("tree proof: too many siblings")
    siblings = []
    for _ in range(count):
        kind = reader.raw(1)[0]
        if kind == 0:
            siblings.append(_PLACEHOLDER)
        elif kind == 1:
            siblings.append(_inner_node(reader.raw(32), reader.raw(32)))
        elif kind == 2:
            siblings.append(_leaf_node(reader.raw(32), reader.raw(32)))
        else:
            refuse("tree proof: a sibling of unknown kind")
    reader.end()
    position = blake3(key).digest()
    bits = int.from_bytes(position, "big")
    if value is not None:
        if leaf != (position, blake3(value).digest()):
            refuse("the tree proof is about another case or another case root")
    elif leaf is not None:
        common = 256 - (bits ^ int.from_bytes(leaf[0], "big")).bit_length()
        if leaf[0] == position or common < count:
            refuse("the tree proof does not show that the case is absent")
    found = _leaf_node(*leaf) if leaf else _PLACEHOLDER
    for place, sibling in enumerate(siblings):
        depth = count - 1 - place
        right = bits >> (255 - depth) & 1
        found = _inner_node(sibling, found) if right else _inner_node(found, sibling)
    if found != root:
        refuse("the state root of the header does not contain the case as claimed")


# ---- the whole ----


@dataclass(frozen=True)
class Proven:
    """What a proof proves: that the network had agreed on these fields of the case at this height."""

    case_id: bytes
    exists: bool
    height: int
    time_ms: int
    block: bytes
    signers: tuple[str, ...]
    fields: dict[int, bytes]


def verify(proof: bytes, trusted: Trusted) -> Proven:
    """What the proof (bytes of a `Proof` message) proves. Raises ProofRefused if that is nothing."""
    try:
        check_canonical(pb.Proof, proof)
    except NotCanonical as error:
        raise ProofRefused(str(error)) from error
    message = pb.Proof.FromString(proof)
    if message.format != FORMAT:
        refuse(f"the proof is of form '{message.format}', this program knows '{FORMAT}'")
    if len(message.case_id) != 16 or len(message.case_root) not in (0, 32):
        refuse("case id or case root have another length than they must have")
    header, signers = check_head(message.head, trusted)
    case_root = message.case_root or None
    check_tree(header.state_root, b"\x01" + message.case_id, case_root, message.tree_proof)
    fields: dict[int, bytes] = {}
    last = -1
    for one in message.fields:
        if not last < one.index < FIELDS:
            refuse("the fields are not strictly ascending by index")
        last = one.index
        if _field_root(one) != case_root:
            refuse(f"field {one.index} is not part of the case root")
        fields[one.index] = one.value
    return Proven(message.case_id, case_root is not None, header.height, header.time_ms, header.block, signers, fields)


def _field_root(one: pb.FieldProof) -> bytes:
    if len(one.blinder) != 32 or len(one.siblings) != 5 or any(len(sibling) != 32 for sibling in one.siblings):
        refuse(f"field {one.index}: blinder or siblings have another length than they must have")
    found = ids.derive("field", one.blinder + bytes([one.index]) + one.value)
    for level, sibling in enumerate(one.siblings):
        pair = sibling + found if one.index >> level & 1 else found + sibling
        found = ids.derive("field node", pair)
    return found


# ---- reading fields ----


@dataclass(frozen=True)
class Track:
    """Where one strand of a case stands (fields 16 to 31)."""

    status: str
    occurred_day: int | None
    occurred_ms: int | None
    outcome: str
    authority: str
    slot: bytes


def read_identity(field: bytes) -> tuple[bytes, str, int, int]:
    """Field 0: case, definition, its version, height at which the case was opened."""
    reader = Reader(field, "field 0")
    found = (reader.raw(16), reader.text(), reader.number(">I"), reader.number(">Q"))
    reader.end()
    return found


def read_track(field: bytes) -> Track:
    """A field from 16 on that is not empty."""
    reader = Reader(field, "track")
    status, (day, instant) = reader.text(), _when(reader)
    if reader.presence():
        reader.number(">i")
    outcome, authority, slot = reader.text(), reader.text(), reader.raw(32)
    reader.number(">I")
    _when(reader)
    reader.end()
    return Track(status, day, instant, outcome, authority, slot)


def _when(reader: Reader) -> tuple[int | None, int | None]:
    return (None, reader.number(">Q")) if reader.presence() else (reader.number(">i"), None)

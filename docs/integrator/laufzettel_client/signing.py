"""From fields to a signed transaction (docs/SIGNING.md).

Serialized once, signed once, kept, and sent as it is: nothing here changes bytes that were signed. Must never know
where a transaction goes or what became of it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from google.protobuf.message import DecodeError, Message
from laufzettel.v1 import transaction_pb2 as pb

from . import ids

_EPOCH = datetime.date(1970, 1, 1)
_SIGN_DOMAIN = b"laufzettel/tx/v1\x00"


class NotCanonical(ValueError):
    """Bytes are not the one allowed encoding of their message."""


class Authority(str):
    """The value of an attribute that names an authority; a plain str is a code."""


Value = datetime.date | str | Authority | int | bool | bytes


def serialize(message: Message) -> bytes:
    """The canonical bytes of a message.

    Protobuf's serializer for Python writes them by itself; what it wrote is read back and compared all the same,
    because a node refuses any other encoding.
    """
    data = message.SerializeToString(deterministic=True)
    check_canonical(type(message), data)
    return data


def check_canonical(message_type: type[Message], data: bytes) -> None:
    """Raises NotCanonical if the bytes are another encoding, hold an unknown field, or are no such message."""
    message = message_type()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise NotCanonical(f"no {message_type.DESCRIPTOR.name}: {error}") from error
    message.DiscardUnknownFields()
    again = message.SerializeToString(deterministic=True)
    if again != data:
        shorter = min(len(again), len(data))
        differs = next((at for at in range(shorter) if again[at] != data[at]), shorter)
        raise NotCanonical(f"{message_type.DESCRIPTOR.name}: byte {differs} differs from the one allowed encoding")


def days(day: datetime.date) -> int:
    """A day as the ledger counts it: from 1970-01-01, in the calendar of Germany."""
    return (day - _EPOCH).days


# ---- items ----


def open_case(case_id: bytes, definition: str, version: int) -> bytes:
    """An item that opens a case under a process definition."""
    return _item(case_id, open_case=pb.OpenCase(definition=definition, definition_version=version))


def report(case_id: bytes, content: pb.Report) -> bytes:
    """An item that reports a status. Keep `slot` of it: corrections name it."""
    return _item(case_id, report=content)


def correct(case_id: bytes, slot: bytes, content: pb.Report) -> bytes:
    """An item that replaces an own earlier report."""
    return _item(case_id, correct=pb.Correct(slot=slot, report=content))


def retract(case_id: bytes, slot: bytes, reason: str) -> bytes:
    """An item that withdraws an own earlier report."""
    return _item(case_id, retract=pb.Retract(slot=slot, reason=reason))


def _item(case_id: bytes, **action: Message) -> bytes:
    # New blinding each time: the same report made twice is two reports. What is to be repeated is the signed bytes.
    return serialize(pb.Item(blinding=ids.random16(), case_id=case_id, **action))


def status(
    code: str,
    occurred: datetime.date | int,
    *,
    effective: datetime.date | None = None,
    proceeding: int = 0,
    outcome: str = "",
    attributes: Mapping[str, Value] | None = None,
    documents: Iterable[bytes] = (),
) -> pb.Report:
    """What is reported. `occurred` is a day, or an instant in milliseconds where the status asks for one.

    Sorts what has to be sorted; documents are commitments (`ids.commitment`).
    """
    content = pb.Report(status=code, proceeding=proceeding, outcome=outcome, documents=sorted(documents))
    if isinstance(occurred, datetime.date):
        content.occurred.day = days(occurred)
    else:
        content.occurred.instant_ms = occurred
    if effective is not None:
        content.effective.day = days(effective)
    for name in sorted(attributes or {}):
        content.attributes.append(_attribute(name, (attributes or {})[name]))
    return content


def _attribute(name: str, value: Value) -> pb.Attribute:
    if isinstance(value, bool):
        return pb.Attribute(name=name, bool=value)
    if isinstance(value, int):
        return pb.Attribute(name=name, integer=value)
    if isinstance(value, datetime.date):
        return pb.Attribute(name=name, date=days(value))
    if isinstance(value, bytes):
        return pb.Attribute(name=name, commitment=value)
    if isinstance(value, Authority):
        return pb.Attribute(name=name, authority=value)
    return pb.Attribute(name=name, code=value)


# ---- transactions ----


@dataclass(frozen=True)
class Signer:
    """An authority that signs, and the network it signs for."""

    authority: str
    key: Ed25519PrivateKey
    network: bytes
    incarnation: int = 0
    source_system: str = ""

    @property
    def public_key(self) -> bytes:
        """The public key, 32 bytes."""
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, payload: bytes) -> pb.Signature:
        """This key's signature over a payload."""
        return pb.Signature(
            key_id=ids.key_id(self.public_key),
            algorithm=pb.SIGNATURE_ALGORITHM_ED25519,
            value=self.key.sign(_SIGN_DOMAIN + payload),
        )


def load_key(path: Path) -> Ed25519PrivateKey:
    """The key of a PEM file, as `laufzettel keys` makes them."""
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} holds no Ed25519 key; make one with `laufzettel keys generate service FILE`")
    return key


@dataclass(frozen=True)
class Signed:
    """A signed transaction. `data` is what is kept and sent, again and again, unchanged."""

    transaction_id: bytes
    payload_digest: bytes
    valid_until_ms: int
    data: bytes


def transaction(signer: Signer, items: list[bytes], transaction_id: bytes, valid_until_ms: int) -> Signed:
    """Signs 1 to 256 items under one transaction id, valid until a block time at most seven days ahead."""
    payload = serialize(
        pb.TransactionPayload(
            network=signer.network,
            incarnation=signer.incarnation,
            version=1,
            id=transaction_id,
            authority=signer.authority,
            valid_until_ms=valid_until_ms,
            source_system=signer.source_system,
            item_digests=[ids.item_digest(item) for item in items],
        )
    )
    message = pb.SignedTransaction(payload=payload, signatures=[signer.sign(payload)], items=items)
    return Signed(transaction_id, ids.payload_digest(payload), valid_until_ms, message.SerializeToString())


def sign_anew(signer: Signer, data: bytes, valid_until_ms: int) -> Signed:
    """The same items under the same id with another end of validity: for what expired before it was committed."""
    old = pb.SignedTransaction.FromString(data)
    payload = pb.TransactionPayload.FromString(old.payload)
    return transaction(signer, list(old.items), payload.id, valid_until_ms)

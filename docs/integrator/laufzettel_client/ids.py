"""Hashes, ids and the printed form of a case id (docs/FORMATS.md A.1, A.2).

Must never draw an id from anything but the system's random generator: an id that can be guessed from a file number is
that file number.
"""

from __future__ import annotations

import secrets

from blake3 import blake3

ALGORITHM_ED25519 = 1
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U"
_MISTAKEN = str.maketrans({"O": "0", "I": "1", "L": "1"})


def derive(domain: str, data: bytes) -> bytes:
    """K(domain, data): 32 bytes."""
    return blake3(data, derive_key_context=f"laufzettel {domain}").digest()


def random16() -> bytes:
    """A new case id, transaction id or blinding."""
    return secrets.token_bytes(16)


def key_id(public_key: bytes) -> bytes:
    """Id of an Ed25519 key, 16 bytes; of a validator's consensus key it is the validator's address."""
    return derive("key", bytes([ALGORITHM_ED25519]) + public_key)[:16]


def network_id(genesis: bytes) -> bytes:
    """The network is the hash of its genesis file, every byte of it."""
    return derive("genesis", genesis)


def item_digest(item: bytes) -> bytes:
    """Digest of an item's bytes."""
    return derive("item", item)


def slot(authority: str, report_digest: bytes) -> bytes:
    """The slot of a report: corrections and retractions name it, also after many corrections.

    It holds the author's id, so that nobody takes another's slot by repeating the other's bytes.
    """
    name = authority.encode()
    return derive("slot", len(name).to_bytes(4, "big") + name + report_digest)


def payload_digest(payload: bytes) -> bytes:
    """Digest of a payload's bytes: what tells two payloads under one transaction id apart."""
    return derive("payload", payload)


def commitment(nonce: bytes, content: bytes) -> bytes:
    """What stands on the ledger for a document. Keep nonce and content; without the nonce nothing can be shown."""
    if len(nonce) != 32:
        raise ValueError("the nonce of a commitment has 32 random bytes")
    return derive("commitment", nonce + content)


def print_case(case_id: bytes) -> str:
    """A case id as people read it: 26 characters and a check character, in groups of four."""
    if len(case_id) != 16:
        raise ValueError("a case id has 16 bytes")
    number = int.from_bytes(case_id, "big")
    digits = [_ALPHABET[number >> 5 * place & 31] for place in reversed(range(26))]
    text = "".join(digits) + _ALPHABET[number % 37]
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def read_case(printed: str) -> bytes:
    """The case id that was printed. Lower case, spaces, and O, I, L for 0, 1, 1 are understood.

    Raises ValueError if it is none, mostly because of a typing error.
    """
    text = printed.replace("-", "").replace(" ", "").upper().translate(_MISTAKEN)
    values = [_ALPHABET.find(character) for character in text]
    if len(values) != 27 or any(value not in range(32) for value in values[:-1]):
        raise ValueError(f"'{printed}' is no case id: 27 characters are needed, the last one checks the others")
    number = 0
    for value in values[:-1]:
        number = number * 32 + value
    if number >= 1 << 128 or number % 37 != values[-1]:
        raise ValueError(f"'{printed}' is no case id: the check character does not fit; look for a typing error")
    return number.to_bytes(16, "big")

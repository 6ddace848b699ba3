"""The client against `docs/vectors.json`: the same fields give the same bytes, digests, signatures and ids; what a node
refuses as another encoding is refused here; proofs hold, and no longer hold once any byte is changed.

Needs the messages generated from the schema on the path, and nothing else: no node, no network.
"""

import datetime
import json
import unittest
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.descriptor import FieldDescriptor
from laufzettel.v1 import proof_pb2
from laufzettel.v1 import transaction_pb2 as pb

from laufzettel_client import ids, proof, signing

VECTORS = json.loads((Path(__file__).parents[2] / "vectors.json").read_text())
TYPES = {"item": pb.Item, "payload": pb.TransactionPayload, "transaction": pb.SignedTransaction}


def named(part, name):
    return next(one for one in VECTORS[part] if one["name"] == name)


def build(message, fields):
    """Sets the fields of a vector: hexadecimal digits for bytes, text for 64-bit numbers."""

    def scalar(descriptor, value):
        if descriptor.type == FieldDescriptor.TYPE_BYTES:
            return bytes.fromhex(value)
        return int(value) if isinstance(value, str) and descriptor.type != FieldDescriptor.TYPE_STRING else value

    for name, value in fields.items():
        descriptor = message.DESCRIPTOR.fields_by_name[name]
        nested = descriptor.type == FieldDescriptor.TYPE_MESSAGE
        if isinstance(value, list):
            for one in value:
                target = getattr(message, name)
                build(target.add(), one) if nested else target.append(scalar(descriptor, one))
        elif nested:
            getattr(message, name).SetInParent()
            build(getattr(message, name), value)
        else:
            setattr(message, name, scalar(descriptor, value))
    return message


class Vectors(unittest.TestCase):
    def test_keys(self):
        for one in VECTORS["keys"]:
            signer = signing.Signer("de-bamf", Ed25519PrivateKey.from_private_bytes(bytes.fromhex(one["secret"])), b"")
            self.assertEqual(signer.public_key.hex(), one["public"])
            self.assertEqual(ids.key_id(signer.public_key).hex(), one["key_id"])

    def test_case_ids(self):
        for one in VECTORS["case_ids"]["printed"]:
            case_id = bytes.fromhex(one["case_id"])
            self.assertEqual(ids.print_case(case_id), one["printed"])
            self.assertEqual(ids.read_case(one["printed"]), case_id)
            self.assertEqual(ids.read_case(one["read_too"]), case_id)
        for one in VECTORS["case_ids"]["refused"]:
            with self.assertRaises(ValueError, msg=one["why"]):
                ids.read_case(one["printed"])

    def test_commitments(self):
        for one in VECTORS["commitments"]:
            made = ids.commitment(bytes.fromhex(one["nonce"]), bytes.fromhex(one["content"]))
            self.assertEqual(made.hex(), one["commitment"])

    def test_slots(self):
        for one in VECTORS["slots"]:
            made = ids.slot(one["authority"], bytes.fromhex(one["item_digest"]))
            self.assertEqual(made.hex(), one["slot"])

    def test_items(self):
        self.assertGreaterEqual(len(VECTORS["items"]), 13)
        for one in VECTORS["items"]:
            with self.subTest(one["name"]):
                data = signing.serialize(build(pb.Item(), one["fields"]))
                self.assertEqual(data.hex(), one["bytes"])
                self.assertEqual(ids.item_digest(data).hex(), one["digest"])

    def test_transactions(self):
        secrets = {one["purpose"]: bytes.fromhex(one["secret"]) for one in VECTORS["keys"]}
        keys = {purpose: Ed25519PrivateKey.from_private_bytes(secret) for purpose, secret in secrets.items()}
        for one in VECTORS["transactions"]:
            with self.subTest(one["name"]):
                payload = signing.serialize(build(pb.TransactionPayload(), one["payload"]["fields"]))
                self.assertEqual(payload.hex(), one["payload"]["bytes"])
                self.assertEqual(ids.payload_digest(payload).hex(), one["payload"]["digest"])
                signatures = [signing.Signer("", keys[purpose], b"").sign(payload) for purpose in one["signed_by"]]
                signatures.sort(key=lambda signature: signature.key_id)
                made = [{"key_id": each.key_id.hex(), "value": each.value.hex()} for each in signatures]
                self.assertEqual(made, one["signatures"])
                items = [bytes.fromhex(item) for item in one["items"]]
                whole = pb.SignedTransaction(payload=payload, signatures=signatures, items=items)
                self.assertEqual(whole.SerializeToString().hex(), one["signed_transaction"])

    def test_the_builders_make_what_the_vectors_hold(self):
        one = named("transactions", "two items")
        fields = one["payload"]["fields"]
        signer = signing.Signer(
            fields["authority"],
            Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["keys"][0]["secret"])),
            bytes.fromhex(fields["network"]),
            fields["incarnation"],
            fields["source_system"],
        )
        content = signing.status(
            "step",
            datetime.date(2026, 6, 15),
            effective=datetime.date(1969, 12, 31),
            proceeding=2,
            outcome="yes",
            attributes={
                "f": b"\xc0" * 32,
                "e": False,
                "d": -5,
                "c": signing.Authority("de-bamf"),
                "b": "red",
                "a": datetime.date(1970, 1, 1) - datetime.timedelta(days=20_000),
            },
            documents=[b"\xd1" * 32, b"\xd0" * 32],
        )
        content.sealed.digest = b"\x5e" * 32
        content.sealed.recipients.extend(["de-bamf", "sn-lds"])
        items = []
        for made in (signing.open_case(b"\xca" * 16, "asyl-de", 1), signing.report(b"\xca" * 16, content)):
            item = pb.Item.FromString(made)
            self.assertEqual(len(item.blinding), 16)
            self.assertNotEqual(item.blinding, b"\xb1" * 16)
            item.blinding = b"\xb1" * 16
            items.append(signing.serialize(item))
        self.assertEqual([item.hex() for item in items], one["items"])
        made = signing.transaction(signer, items, bytes.fromhex(fields["id"]), int(fields["valid_until_ms"]))
        self.assertEqual(made.data.hex(), one["signed_transaction"])
        self.assertEqual(made.payload_digest.hex(), one["payload"]["digest"])
        later = signing.sign_anew(signer, made.data, int(fields["valid_until_ms"]) + 1)
        self.assertEqual(list(pb.SignedTransaction.FromString(later.data).items), items)
        self.assertEqual(later.transaction_id, made.transaction_id)
        self.assertNotEqual(later.payload_digest, made.payload_digest)

    def test_other_encodings_are_refused(self):
        seen = 0
        for one in VECTORS["refused"]:
            if one["reason"] not in ("NON_CANONICAL", "UNKNOWN_FIELD"):
                continue
            seen += 1
            with self.subTest(one["why"]):
                with self.assertRaises(signing.NotCanonical) as caught:
                    signing.check_canonical(TYPES[one["of"]], bytes.fromhex(one["bytes"]))
                if "offset" in one:
                    self.assertIn(f"byte {one['offset']} ", str(caught.exception))
        self.assertGreaterEqual(seen, 12)


class Proofs(unittest.TestCase):
    def setUp(self):
        part = VECTORS["proofs"]
        self.trusted = proof.Trusted.from_genesis(part["genesis"].encode(), bytes.fromhex(part["network"]))
        self.vectors = part["proofs"]

    def vector(self, name):
        return next(one for one in self.vectors if one["name"] == name)

    def test_proofs_hold(self):
        for one in self.vectors:
            with self.subTest(one["name"]):
                proven = proof.verify(bytes.fromhex(one["proof"]), self.trusted)
                self.assertEqual(proven.case_id.hex(), one["case_id"])
                self.assertEqual(proven.exists, one["exists"])
                self.assertEqual((proven.height, proven.time_ms), (one["height"], one["time_ms"]))
                self.assertEqual(proven.block.hex(), one["block"])
                self.assertEqual({f"{at:02}": value.hex() for at, value in proven.fields.items()}, one["fields"])
        proven = proof.verify(bytes.fromhex(self.vector("some fields")["proof"]), self.trusted)
        self.assertEqual(proof.read_identity(proven.fields[0]), (proven.case_id, "toy", 1, 1))
        track = proof.read_track(proven.fields[16])
        self.assertEqual((track.status, track.occurred_day, track.authority), ("begun", 20_616, "sn-lds"))

    def test_every_flipped_bit_is_refused(self):
        for name in ("some fields", "no such case"):
            whole = bytes.fromhex(self.vector(name)["proof"])
            for at in range(len(whole)):
                for bit in (0x01, 0x80) if name == "some fields" else (1 << bit for bit in range(8)):
                    flipped = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
                    with self.assertRaises(proof.ProofRefused, msg=f"{name}: byte {at}, bit {bit:#x}"):
                        proof.verify(flipped, self.trusted)

    def test_cut_off_or_lengthened_is_refused(self):
        whole = bytes.fromhex(self.vector("some fields")["proof"])
        fields = proof.verify(whole, self.trusted).fields
        fewer = []
        for end in range(len(whole)):
            try:
                proven = proof.verify(whole[:end], self.trusted)
            except proof.ProofRefused:
                continue
            # Cut off between two fields it is a proof of the fields before.
            self.assertEqual(proven.fields, dict(list(fields.items())[: len(proven.fields)]))
            fewer.append(len(proven.fields))
        self.assertEqual(fewer, list(range(len(fields))))
        with self.assertRaises(proof.ProofRefused):
            proof.verify(whole + whole[-1:], self.trusted)

    def test_another_claim_about_the_same_bytes_is_refused(self):
        message = proof_pb2.Proof.FromString(bytes.fromhex(self.vector("some fields")["proof"]))
        other = proof_pb2.Proof.FromString(bytes.fromhex(self.vector("all fields")["proof"]))
        absent = proof_pb2.Proof.FromString(bytes.fromhex(self.vector("no such case")["proof"]))

        def refused(change):
            changed = proof_pb2.Proof()
            changed.CopyFrom(message)
            change(changed)
            with self.assertRaises(proof.ProofRefused):
                proof.verify(signing.serialize(changed), self.trusted)

        def case_of_another(changed):
            changed.case_id = other.case_id

        def absence_of_another(changed):
            changed.case_root, changed.tree_proof = b"", absent.tree_proof
            del changed.fields[:]

        def absent_by_its_own_leaf(changed):
            changed.case_root = b""
            del changed.fields[:]

        def fields_of_another(changed):
            del changed.fields[:]
            changed.fields.extend(other.fields)

        def field_twice(changed):
            changed.fields.insert(1, changed.fields[0])

        def two_of_four_signed(changed):
            # Height, round, block and count take 48 bytes, each signature 80.
            start = changed.head.certificate
            changed.head.certificate = start[:47] + b"\x02" + start[48 : 48 + 160]

        def one_signed_twice(changed):
            start = changed.head.certificate
            changed.head.certificate = start[:48] + start[48:128] * 2 + start[208:]

        for change in (
            case_of_another,
            absence_of_another,
            absent_by_its_own_leaf,
            fields_of_another,
            field_twice,
            two_of_four_signed,
            one_signed_twice,
        ):
            with self.subTest(change.__name__):
                refused(change)

    def test_another_genesis_file_is_refused(self):
        genesis = VECTORS["proofs"]["genesis"].encode()
        network = bytes.fromhex(VECTORS["proofs"]["network"])
        changed = genesis.replace(b"power = 1", b"power = 2", 1)
        with self.assertRaises(proof.ProofRefused):
            proof.Trusted.from_genesis(changed, network)
        with self.assertRaises(proof.ProofRefused):
            proof.verify(bytes.fromhex(self.vector("some fields")["proof"]), proof.Trusted.from_genesis(changed))

    def test_points_of_small_order_are_those_of_the_curve(self):
        prime = 2**255 - 19
        d = -121665 * pow(121666, -1, prime) % prime

        def add(a, b):
            (x1, y1), (x2, y2) = a, b
            product = d * x1 * x2 * y1 * y2 % prime
            x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, prime) % prime
            return x, (y1 * y2 + x1 * x2) * pow(1 - product, -1, prime) % prime

        def x_of(y):
            square = (y * y - 1) * pow(d * y * y + 1, -1, prime) % prime
            root = pow(square, (prime + 3) // 8, prime)
            if root * root % prime != square:
                root = root * pow(2, (prime - 1) // 4, prime) % prime
            return root if root * root % prime == square else None

        for encoded in proof._SMALL_ORDER:
            y = int.from_bytes(encoded, "little") % prime
            point = (x_of(y), y)
            for _ in range(3):
                point = add(point, point)
            self.assertEqual(point, (0, 1), encoded.hex())
        self.assertEqual(len(proof._SMALL_ORDER), 7)


if __name__ == "__main__":
    unittest.main()

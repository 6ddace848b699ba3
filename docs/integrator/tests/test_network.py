"""The client against a running network of four authorities, whose nodes are killed and started on request.

Run by the test network, which says where the files are (LAUFZETTEL_NETWORK) and does what is asked on standard output:
`control kill NODE`, `control start all`, `control pause NODE`, `control resume NODE`, each answered by `ok` on standard
input.
"""

import contextlib
import datetime
import io
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from laufzettel.v1 import outcome_pb2
from laufzettel.v1 import submission_service_pb2 as submission_pb
from laufzettel.v1 import transaction_pb2 as pb

import example
from laufzettel_client import feed, ids, proof, signing
from laufzettel_client import outbox as outbox_module
from laufzettel_client.api import CallError, Profile
from laufzettel_client.outbox import Outbox
from tests.crashing_sender import send_all, signer_of, write_and_send
from tests.test_vectors import VECTORS

NETWORK = Path(os.environ["LAUFZETTEL_NETWORK"])
GENESIS = NETWORK / "genesis.toml"
TRUSTED = proof.Trusted.from_genesis(GENESIS.read_bytes())
LDS = Profile(NETWORK / "clients" / "sn-lds")
BAMF = Profile(NETWORK / "clients" / "de-bamf")
TODAY = datetime.date.today()
HOUR_MS = 3_600_000
# No call waits longer for a condition; a pass never depends on it.
PATIENCE_S = 300


def control(what, node):
    print(f"control {what} {node}", flush=True)
    answer = sys.stdin.readline().strip()
    if answer != "ok":
        raise AssertionError(f"{what} {node}: {answer or 'the test network has gone'}")


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"still not so after {PATIENCE_S} s: {what}")
        time.sleep(0.02)


def final(call):
    """Repeats a submission until its outcome is final, however slow the machine is."""
    while True:
        try:
            outcome = call()
        except CallError as error:
            if error.code != grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
            continue
        if outcome.state == outcome_pb2.TRANSACTION_STATE_FINAL:
            return outcome
        if outcome.state != outcome_pb2.TRANSACTION_STATE_PENDING:
            raise AssertionError(outcome)


def now_ms():
    return outbox_module.now_ms()


def opened(status="application_made", day=TODAY):
    """A new case, and the items that open it and report its first status."""
    case_id = ids.random16()
    return case_id, [signing.open_case(case_id, "asyl-de", 1), signing.report(case_id, signing.status(status, day))]


def signed_by(signer, items, transaction_id=None, valid_until_ms=None):
    return signing.transaction(signer, items, transaction_id or ids.random16(), valid_until_ms or now_ms() + HOUR_MS)


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.signer = signer_of(LDS, GENESIS)
        cls.node = LDS.connect()

    @classmethod
    def tearDownClass(cls):
        cls.node.close()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def assert_refused(self, reason, call, *arguments, **options):
        with self.assertRaises(CallError) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.reason, reason, str(caught.exception))
        return caught.exception


class Story(Base):
    def test_the_example_runs_and_goes_on_where_it_was(self):
        database = str(self.folder / "cases.db")
        arguments = ["--profile", str(LDS.folder), "--genesis", str(GENESIS), "--database", database]
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            example.main(arguments)
            example.main(arguments)
        lines = shown.getvalue().splitlines()
        self.assertEqual(len(lines), 14, shown.getvalue())
        first, second = lines[:7], lines[7:]
        self.assertIn("sent           1 transaction(s), final", first[1])
        self.assertIn("followed       1 event(s) of ours", first[2])
        self.assertIn("reception: application_made", first[4])
        self.assertIn("proven         application_made by sn-lds", first[5])
        self.assertEqual(first[0], second[0], "the second run has the same case")
        self.assertIn("sent           0 transaction(s)", second[1])
        self.assertIn("followed       1 event(s) of ours", second[2], "the correction, from the first run's cursor")


class Once(Base):
    def test_a_repeat_is_told_the_first_outcome(self):
        case_id, items = opened()
        signed = signed_by(self.signer, items)
        first = final(lambda: self.node.submit(signed.data))
        self.assertTrue(all(receipt.applied for receipt in first.receipts), first)
        self.assertEqual(first.payload_digest, signed.payload_digest)
        asked = (self.node.outcome, self.node.wait)
        answers = [self.node.submit(signed.data), *(ask(signed.transaction_id) for ask in asked)]
        self.assertEqual(answers, [first] * 3)
        other = signing.sign_anew(self.signer, signed.data, signed.valid_until_ms + 1)
        error = self.assert_refused("ID_TAKEN", self.node.submit, other.data)
        self.assertEqual(error.code, grpc.StatusCode.ALREADY_EXISTS)
        self.assertFalse(error.repeatable)
        self.assertEqual(len(self.node.events(case_id, min_height=first.height)), 1)

    def test_an_item_refused_does_not_undo_the_others(self):
        case_id, items = opened()
        content = signing.status("application_made", TODAY)
        items.append(signing.correct(case_id, b"\x51" * 32, content))
        signed = signed_by(self.signer, items)
        outcome = final(lambda: self.node.submit(signed.data))
        self.assertEqual([one.reason for one in outcome.receipts], ["", "", "SLOT_UNKNOWN"])
        view = self.node.case(case_id, min_height=outcome.height).view
        self.assertEqual([(track.track, track.status) for track in view.tracks], [("reception", "application_made")])

    def test_what_can_only_be_refused_is_refused_at_once_and_does_not_use_up_the_id(self):
        case_id, items = opened()
        signed = signed_by(self.signer, items)
        # Held by the asylum office alone.
        hearing = signing.report(case_id, signing.status("hearing_held", TODAY))
        too_much = signed_by(self.signer, [*items, hearing], signed.transaction_id)
        error = self.assert_refused("ROLE_NOT_ENTITLED", self.node.submit, too_much.data)
        self.assertEqual(error.code, grpc.StatusCode.FAILED_PRECONDITION)
        self.assert_refused("CASE_NOT_FOUND", self.node.case, case_id)
        outcome = final(lambda: self.node.submit(signed.data))
        self.assertEqual([one.reason for one in outcome.receipts], ["", ""])

    def test_corrections_and_retractions_name_the_slot(self):
        case_id, items = opened()
        signed = signed_by(self.signer, items)
        height = final(lambda: self.node.submit(signed.data)).height
        slot = ids.slot("sn-lds", ids.item_digest(items[1]))
        self.assertEqual(self.node.case(case_id, min_height=height).view.tracks[0].slot, slot)
        content = signing.status("application_made", TODAY - datetime.timedelta(days=2))
        corrected = signed_by(self.signer, [signing.correct(case_id, slot, content)])
        outcome = final(lambda: self.node.submit(corrected.data))
        view = self.node.case(case_id, min_height=outcome.height).view
        self.assertEqual(view.tracks[0].occurred.day, signing.days(TODAY) - 2)
        self.assertEqual(view.tracks[0].slot, slot, "a correction keeps the slot")
        retracted = signed_by(self.signer, [signing.retract(case_id, slot, "entered_twice")])
        outcome = final(lambda: self.node.submit(retracted.data))
        self.assertEqual([one.reason for one in outcome.receipts], [""])
        self.assertEqual(len(self.node.case(case_id, min_height=outcome.height).view.tracks), 0)
        with BAMF.connect() as bamf:
            other = signed_by(signer_of(BAMF, GENESIS), [signing.correct(case_id, slot, content)])
            receipts = final(lambda: bamf.submit(other.data)).receipts
            self.assertEqual([one.reason for one in receipts], ["NOT_AUTHOR"], "nobody corrects another's report")

    def test_the_node_signs_and_a_repeat_is_told_the_first_outcome(self):
        case_id, transaction_id = ids.random16(), ids.random16()
        request = submission_pb.ReportStatusRequest(
            transaction_id=transaction_id,
            case_id=case_id,
            open=pb.OpenCase(definition="asyl-de", definition_version=1),
            status="application_made",
            occurred=pb.When(day=signing.days(TODAY)),
            wait=submission_pb.WAIT_POLICY_FINAL,
        )
        first = final(lambda: self.node.report(request))
        self.assertEqual([one.reason for one in first.receipts], ["", ""])
        self.assertEqual(self.node.report(request), first)
        (event,) = self.node.events(case_id, min_height=first.height)
        self.assertEqual(
            list(event.key_ids), [ids.key_id(self.signer.public_key)], "by the service key, and it says so"
        )
        request.status = "reception_registered"
        self.assert_refused("ID_TAKEN", self.node.report, request)


class Refusals(Base):
    def test_what_is_altered_after_signing(self):
        _, items = opened()
        whole = pb.SignedTransaction.FromString(signed_by(self.signer, items).data)

        def submit(change):
            message = pb.SignedTransaction()
            message.CopyFrom(whole)
            change(message)
            return self.node.submit(message.SerializeToString())

        def payload(change):
            def changed(message):
                inner = pb.TransactionPayload.FromString(message.payload)
                change(inner)
                message.payload = inner.SerializeToString(deterministic=True)

            return changed

        def flip(data, at):
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

        def other_item(message):
            message.items[0] = flip(message.items[0], 5)

        def other_signature(message):
            message.signatures[0].value = flip(message.signatures[0].value, 40)

        table = [
            ("SIGNATURE_INVALID", payload(lambda inner: setattr(inner, "valid_until_ms", inner.valid_until_ms + 1))),
            ("SIGNATURE_INVALID", payload(lambda inner: setattr(inner, "id", ids.random16()))),
            ("SIGNATURE_INVALID", payload(lambda inner: setattr(inner, "source_system", "other"))),
            ("SIGNATURE_INVALID", other_signature),
            ("ITEM_DIGEST_MISMATCH", other_item),
            ("ITEM_DIGEST_MISMATCH", lambda message: message.items.reverse()),
            ("AUTHORITY_MISMATCH", payload(lambda inner: setattr(inner, "authority", "de-bamf"))),
            ("OTHER_NETWORK", payload(lambda inner: setattr(inner, "network", b"\x11" * 32))),
            ("OTHER_INCARNATION", payload(lambda inner: setattr(inner, "incarnation", 7))),
            ("MALFORMED", lambda message: message.ClearField("signatures")),
            ("MALFORMED", lambda message: message.items.pop()),
            ("FIELD_INVALID", None),
        ]
        for reason, change in table:
            with self.subTest(reason):
                if change is None:
                    error = self.assert_refused(reason, self.node.outcome, b"short")
                else:
                    error = self.assert_refused(reason, submit, change)
                self.assertFalse(error.repeatable)
        unaltered = final(lambda: submit(lambda message: None))
        self.assertEqual([one.reason for one in unaltered.receipts], ["", ""])

    def test_what_is_signed_wrongly(self):
        _, items = opened()
        stranger = signing.Signer("sn-lds", Ed25519PrivateKey.generate(), TRUSTED.network)
        of_bamf = signing.Signer("sn-lds", signing.load_key(BAMF.folder / "service.pem"), TRUSTED.network)
        long_status = "s" * 4_096
        too_long = pb.Item(blinding=ids.random16(), case_id=ids.random16(), report=pb.Report(status=long_status))
        table = [
            ("KEY_UNKNOWN", signed_by(stranger, items)),
            ("KEY_UNKNOWN", signed_by(of_bamf, items)),
            ("EXPIRED", signed_by(self.signer, items, valid_until_ms=1)),
            ("VALID_TOO_LONG", signed_by(self.signer, items, valid_until_ms=now_ms() + 8 * 24 * HOUR_MS)),
            ("TOO_LARGE", signed_by(self.signer, [signing.serialize(too_long)])),
        ]
        for reason, signed in table:
            with self.subTest(reason):
                self.assert_refused(reason, self.node.submit, signed.data)

    def test_the_vectors_of_what_is_refused(self):
        signed = signed_by(self.signer, [b"x"])
        signature = pb.SignedTransaction.FromString(signed.data).signatures[0]
        for one in VECTORS["refused"]:
            data = bytes.fromhex(one["bytes"])
            if one["of"] == "transaction":
                continue  # Of another authority and network: the unit test has them.
            with self.subTest(one["why"]):
                if one["of"] == "item":
                    whole = signed_by(self.signer, [data]).data
                else:
                    whole = pb.SignedTransaction(payload=data, signatures=[signature], items=[b"x"]).SerializeToString()
                error = self.assert_refused(one["reason"], self.node.submit, whole)
                if "offset" in one:
                    self.assertIn(f"byte {one['offset']} ", str(error))

    def test_another_authoritys_node_does_not_serve(self):
        endpoint = json.loads((NETWORK / "nodes/de-bamf/data/endpoints.json").read_text())["api"]
        with Profile(LDS.folder, endpoint).connect() as node:
            error = self.assert_refused("AUTHORITY_NOT_HOSTED", node.health)
        self.assertEqual(error.code, grpc.StatusCode.PERMISSION_DENIED)


class Proofs(Base):
    def test_a_proof_of_the_node_holds_and_a_flipped_bit_is_refused(self):
        case_id, items = opened()
        signed = signed_by(self.signer, items)
        height = final(lambda: self.node.submit(signed.data)).height
        shown = self.node.prove(case_id, min_height=height).SerializeToString()
        proven = proof.verify(shown, TRUSTED)
        self.assertTrue(proven.exists and proven.height >= height and len(proven.signers) >= 3, proven)
        self.assertEqual(proven.case_id, case_id)
        self.assertEqual(proof.read_identity(proven.fields[0])[:3], (case_id, "asyl-de", 1))
        track = proof.read_track(proven.fields[16])
        self.assertEqual((track.status, track.occurred_day), ("application_made", signing.days(TODAY)))
        self.assertEqual(track.slot, ids.slot("sn-lds", ids.item_digest(items[1])))
        chance = random.Random(1)
        for at in chance.sample(range(len(shown)), 300):
            flipped = shown[:at] + bytes([shown[at] ^ 1 << chance.randrange(8)]) + shown[at + 1 :]
            with self.assertRaises(proof.ProofRefused, msg=f"byte {at}"):
                proof.verify(flipped, TRUSTED)

    def test_absence_is_proven(self):
        case_id = ids.random16()
        proven = proof.verify(self.node.prove(case_id).SerializeToString(), TRUSTED)
        self.assertEqual((proven.exists, proven.case_id, proven.fields), (False, case_id, {}))
        self.assert_refused("CASE_NOT_FOUND", self.node.case, case_id)


class Outboxes(Base):
    def make(self):
        database = sqlite3.connect(self.folder / "outbox.db")
        outbox = Outbox(database, self.signer)
        outbox.create()
        database.execute("create table files (case_id blob)")
        return database, outbox

    def put(self, database, outbox, **options):
        case_id, items = opened()
        with database:
            database.execute("insert into files values (?)", (case_id,))
            return case_id, outbox.put(case_id, items, **options)

    def count(self, case_id):
        (height,) = sqlite3.connect(self.folder / "outbox.db").execute("select max(height) from outbox").fetchone()
        return len(self.node.events(case_id, min_height=height))

    def test_killed_at_any_step_it_reports_once(self):
        sender = Path(__file__).with_name("crashing_sender.py")
        step, killed = 0, 0
        while True:
            step += 1
            path = self.folder / f"{step}.db"
            ended = subprocess.run([sys.executable, sender, path, LDS.folder, GENESIS, str(step)], timeout=PATIENCE_S)
            if ended.returncode == 0:
                break
            self.assertEqual(ended.returncode, -9, f"step {step}")
            killed += 1
            database = sqlite3.connect(path)
            case_id = write_and_send(database, Outbox(database, self.signer), self.node)
            self.assertEqual(database.execute("select count(*) from files").fetchone(), (1,), f"step {step}")
            rows = database.execute("select state, height from outbox").fetchall()
            self.assertEqual([row[0] for row in rows], ["final"], f"step {step}")
            self.assertEqual(len(self.node.events(case_id, min_height=rows[0][1])), 1, f"step {step}")
        self.assertGreater(killed, 10)

    def test_nothing_is_written_where_the_change_is_not(self):
        database, outbox = self.make()
        with self.assertRaises(RuntimeError):
            outbox.put(ids.random16(), opened()[1])
        with contextlib.suppress(ZeroDivisionError), database:
            database.execute("insert into files values (?)", (b"x",))
            outbox.put(*opened())
            raise ZeroDivisionError
        self.assertEqual(database.execute("select count(*) from outbox").fetchone(), (0,))

    def test_what_expired_is_signed_anew_and_reported_once(self):
        database, outbox = self.make()
        case_id, transaction_id = self.put(database, outbox, valid_for_ms=-HOUR_MS)
        self.assertEqual(send_all(outbox, self.node), 1)
        rows = database.execute("select transaction_id from outbox_payloads").fetchall()
        self.assertEqual(rows, [(transaction_id,)] * 2)
        self.assertEqual(self.count(case_id), 1)

    def test_what_was_committed_before_it_was_signed_anew_is_reported_once(self):
        database, outbox = self.make()
        case_id, transaction_id = self.put(database, outbox)
        ((first,),) = database.execute("select signed from outbox").fetchall()
        outcome = final(lambda: self.node.submit(first))
        anew = signing.sign_anew(self.signer, first, now_ms() + 2 * HOUR_MS)
        with database:
            database.execute("update outbox set signed = ?", (anew.data,))
        self.assertEqual(send_all(outbox, self.node), 1)
        self.assertEqual(database.execute("select height from outbox").fetchone(), (outcome.height,))
        self.assertEqual(self.count(case_id), 1)

    def test_another_payload_under_the_id_is_held_and_not_called_done(self):
        database, outbox = self.make()
        case_id, transaction_id = self.put(database, outbox)
        other = signed_by(self.signer, opened()[1], transaction_id)
        final(lambda: self.node.submit(other.data))
        self.assertEqual(send_all(outbox, self.node), 0)
        self.assertEqual(database.execute("select state, reason from outbox").fetchone(), ("held", "ID_TAKEN"))
        self.assert_refused("CASE_NOT_FOUND", self.node.case, case_id)

    def test_a_held_entry_holds_its_case_and_no_other(self):
        database, outbox = self.make()
        stranger = Outbox(database, signing.Signer("sn-lds", Ed25519PrivateKey.generate(), TRUSTED.network))
        blocked, _ = self.put(database, stranger)
        with database:
            database.execute("update files set case_id = case_id")
            outbox.put(blocked, [signing.report(blocked, signing.status("reception_registered", TODAY))])
        free, _ = self.put(database, outbox)
        self.assertEqual(send_all(outbox, self.node), 1)
        self.assertEqual(outbox.deliver(self.node).held, 1)
        states = database.execute("select state, reason from outbox order by number").fetchall()
        self.assertEqual(states, [("held", "KEY_UNKNOWN"), ("waiting", ""), ("final", "")])
        self.assertEqual(self.count(free), 1)

    def test_what_the_block_refused_is_shown(self):
        database, outbox = self.make()
        case_id, items = opened()
        correction = signing.correct(case_id, b"\x51" * 32, signing.status("application_made", TODAY))
        with database:
            database.execute("insert into files values (?)", (case_id,))
            transaction_id = outbox.put(case_id, [items[0], correction])
        self.assertEqual(send_all(outbox, self.node), 1)
        self.assertEqual(outbox.refusals(), [(transaction_id, "SLOT_UNKNOWN")])
        self.assertEqual(self.count(case_id), 0)


class Watcher(threading.Thread):
    """Follows the ledger into a database of its own; an event twice would break its primary key."""

    def __init__(self, path, profile=LDS):
        super().__init__(daemon=True)
        self.path, self.profile, self.stop, self.failed = path, profile, threading.Event(), None
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("create table if not exists events (slot blob primary key, height, place, item, cursor)")
            database.execute("create table if not exists cursors (cursor text)")

    def cursor(self):
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            row = database.execute("select cursor from cursors").fetchone()
        return row[0] if row else ""

    def events(self):
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            return database.execute("select slot, height, place, item from events order by rowid").fetchall()

    def end(self):
        self.stop.set()
        self.join(PATIENCE_S)
        if self.is_alive():
            raise AssertionError("the feed did not end")

    def run(self):
        database = sqlite3.connect(self.path)
        try:
            for step in feed.follow(self.profile.connect, self.cursor(), stop=self.stop):
                with database:
                    if event := step.event:
                        row = (event.item_digest, event.height, event.transaction_index, event.item_index, step.cursor)
                        database.execute("insert into events values (?, ?, ?, ?, ?)", row)
                    database.execute("delete from cursors")
                    database.execute("insert into cursors values (?)", (step.cursor,))
        except BaseException as error:
            self.failed = error
            raise


class Killed(Base):
    def setUp(self):
        super().setUp()
        self.addCleanup(control, "start", "all")

    def test_killed_in_the_middle_of_submitting_and_watching(self):
        database = sqlite3.connect(self.folder / "outbox.db", timeout=PATIENCE_S)
        database.execute("pragma journal_mode = wal")
        outbox = Outbox(database, self.signer)
        outbox.create()
        database.execute("create table files (case_id blob)")
        slots = []

        def put(count):
            for _ in range(count):
                case_id, items = opened()
                slots.append(ids.item_digest(items[1]))
                with database:
                    database.execute("insert into files values (?)", (case_id,))
                    outbox.put(case_id, items)

        def sent():
            return database.execute("select count(*) from outbox where state = 'final'").fetchone()[0]

        stop = threading.Event()

        def send():
            own = sqlite3.connect(self.folder / "outbox.db", timeout=PATIENCE_S)
            outbox_module.run(Outbox(own, self.signer), LDS.connect, stop.is_set)

        watcher = Watcher(self.folder / "events.db")
        sender = threading.Thread(target=send, daemon=True)
        watcher.start()
        sender.start()
        self.addCleanup(sender.join, PATIENCE_S)
        self.addCleanup(stop.set)
        self.addCleanup(watcher.end)

        for _ in range(2):
            put(30)
            until(lambda: len(slots) - sent() < 25 and len(watcher.events()) > 5, "some are final and seen")
            control("kill", "sn-lds")
            open_now = sent()
            put(30)
            self.assertLess(open_now, len(slots), "the kill came in the middle")
            control("start", "all")
            until(lambda: sent() == len(slots), "all are final")
            until(lambda: len(set(slots) & {row[0] for row in watcher.events()}) == len(slots), "all are seen")
        self.assertIsNone(watcher.failed)

        # Once each, in ledger order, as the ledger has them.
        places = [row[1:] for row in watcher.events()]
        self.assertEqual(places, sorted(set(places)))
        self.assertEqual(outbox.refusals(), [])

        # The node is down: the cursor of one node is good at another, and back again.
        watcher.end()
        known = len(watcher.events())
        control("kill", "sn-lds")
        with BAMF.connect() as bamf:
            case_id, items = opened()
            signed = signed_by(signer_of(BAMF, GENESIS), items)
            outcome = final(lambda: bamf.submit(signed.data))
            self.assertEqual([one.reason for one in outcome.receipts], ["", ""])
        elsewhere = Watcher(self.folder / "events.db", BAMF)
        elsewhere.start()
        until(lambda: len(elsewhere.events()) > known, "the other node goes on from the cursor")
        elsewhere.end()
        self.assertEqual([row[0] for row in elsewhere.events()[known:]], [ids.item_digest(items[1])])
        control("start", "all")
        put(1)
        home = Watcher(self.folder / "events.db")
        home.start()
        self.addCleanup(home.end)
        until(lambda: len(home.events()) > known + 1, "the own node goes on from the other's cursor")
        self.assertEqual([row[0] for row in home.events()[known:]], [ids.item_digest(items[1]), slots[-1]])
        self.assertIsNone(home.failed or elsewhere.failed)

    def test_a_node_that_says_nothing_is_left(self):
        case_id, items = opened()
        signed = signed_by(self.signer, items)
        stop, cursors, connections = threading.Event(), [], []

        def connect():
            connections.append(len(cursors))
            return LDS.connect()

        def watch():
            for step in feed.follow(connect, "", stop=stop, silence_max_s=3):
                cursors.append(step.cursor)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        self.addCleanup(watcher.join, PATIENCE_S)
        self.addCleanup(stop.set)
        until(lambda: cursors, "the feed runs")
        # From now on the node's machine takes bytes and answers none, as if it had vanished.
        control("pause", "sn-lds")
        try:
            with self.assertRaises(CallError) as caught, LDS.connect() as node:
                node.submit(signed.data, timeout_s=2)
            self.assertTrue(caught.exception.repeatable, str(caught.exception))
            before = len(connections)
            until(lambda: len(connections) > before, "the silent feed is given up and a new one tried")
        finally:
            control("resume", "sn-lds")
        seen = len(cursors)
        until(lambda: len(cursors) > seen, "the feed goes on")
        with LDS.connect() as node:
            first = final(lambda: node.submit(signed.data))
            self.assertEqual(len(node.events(case_id, min_height=first.height)), 1)

    def test_without_a_quorum_the_outbox_waits(self):
        database = sqlite3.connect(self.folder / "outbox.db")
        outbox = Outbox(database, self.signer)
        outbox.create()
        database.execute("create table files (case_id blob)")
        case_id, items = opened()
        with database:
            database.execute("insert into files values (?)", (case_id,))
            outbox.put(case_id, items)
        control("kill", "de-bpol")
        control("kill", "sn-dresden")
        with LDS.connect() as node:
            delivery = outbox.deliver(node, timeout_s=2)
        self.assertEqual((delivery.final, delivery.held), (0, 0))
        self.assertIsNotNone(delivery.retry_after_s)
        self.assertEqual(database.execute("select state from outbox").fetchall(), [("waiting",)])
        control("start", "all")
        with LDS.connect() as node:
            self.assertEqual(send_all(outbox, node), 1)
            (height,) = database.execute("select height from outbox").fetchone()
            self.assertEqual(len(node.events(case_id, min_height=height)), 1)

    def test_killed_with_a_call_in_flight(self):
        case_id, items = opened()
        signed = signed_by(self.signer, items)
        caught = []
        # Two of four cannot decide, so the call waits.
        control("kill", "de-bpol")
        control("kill", "sn-dresden")
        with LDS.connect() as node:

            def submit():
                try:
                    final(lambda: node.submit(signed.data, timeout_s=PATIENCE_S))
                except CallError as error:
                    caught.append(error)

            call = threading.Thread(target=submit, daemon=True)
            call.start()
            until(lambda: node.health().mempool_transactions > 0, "the call is in flight")
            control("kill", "sn-lds")
            call.join(PATIENCE_S)
        self.assertEqual([error.code for error in caught], [grpc.StatusCode.UNAVAILABLE])
        self.assertTrue(caught[0].repeatable)
        with self.assertRaises(CallError) as nobody, LDS.connect() as node:
            node.submit(signed.data, timeout_s=5)
        self.assertTrue(nobody.exception.repeatable, str(nobody.exception))
        control("start", "all")
        with LDS.connect() as node:
            first = final(lambda: node.submit(signed.data))
            self.assertEqual(node.submit(signed.data), first)
            self.assertEqual(len(node.events(case_id, min_height=first.height)), 1)


if __name__ == "__main__":
    unittest.main()

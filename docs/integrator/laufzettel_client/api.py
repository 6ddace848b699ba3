"""A node's services over mTLS, with errors as reasons.

One `Node` is one connection. Must never decide whether a call is repeated: `outbox` and `feed` do.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from cryptography import x509
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from laufzettel.v1 import case_service_pb2 as cases_pb
from laufzettel.v1 import case_service_pb2_grpc as cases_grpc
from laufzettel.v1 import ledger_service_pb2 as ledger_pb
from laufzettel.v1 import ledger_service_pb2_grpc as ledger_grpc
from laufzettel.v1 import outcome_pb2, position_pb2, proof_pb2, transaction_pb2
from laufzettel.v1 import submission_service_pb2 as submission_pb
from laufzettel.v1 import submission_service_pb2_grpc as submission_grpc

_AUTHORITY_URI = "laufzettel://authority/"
CHECKPOINT_MS = 1_000
MESSAGE_BYTES_MAX = 8 * 1024 * 1024
# With these codes the node did not judge the call, or cannot yet: the same call again, later, may succeed.
_REPEATABLE = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
}


class CallError(Exception):
    """A call that was not answered. Switch on `reason` (docs/ERRORS.md), never on the text."""

    def __init__(
        self, reason: str, code: grpc.StatusCode, message: str, metadata: dict[str, str], retry_after_s: float
    ):
        super().__init__(f"{reason or code.name}: {message}")
        self.reason = reason
        self.code = code
        self.metadata = metadata
        self.retry_after_s = retry_after_s

    @property
    def repeatable(self) -> bool:
        """The same call again, after `retry_after_s`, may succeed."""
        return self.code in _REPEATABLE


def _call_error(error: grpc.RpcError) -> CallError:
    reason, metadata, retry_after_s = "", {}, 0.5
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        status = None
    for detail in status.details if status else ():
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            if info.domain == "laufzettel":
                reason, metadata = info.reason, dict(info.metadata)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
            retry_after_s = delay.seconds + delay.nanos / 1e9
    return CallError(reason, error.code(), error.details() or "", metadata, retry_after_s)


@dataclass(frozen=True)
class Profile:
    """A folder with `ca.pem`, `client.pem`, `client-key.pem` and `profile.toml`, as the operator hands it out."""

    folder: Path
    endpoint: str = ""
    server_name: str = field(default="", compare=False)

    @property
    def authority(self) -> str:
        """The authority that the client certificate names, and in whose name calls are made."""
        certificate = x509.load_pem_x509_certificate((self.folder / "client.pem").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
            if uri.startswith(_AUTHORITY_URI):
                return uri.removeprefix(_AUTHORITY_URI)
        raise ValueError(
            f"{self.folder / 'client.pem'} names no authority; have one made by `laufzettel certificates client`"
        )

    def connect(self) -> Node:
        """Opens a connection. The first call finds out whether anybody answers."""
        settings = tomllib.loads((self.folder / "profile.toml").read_text())
        endpoint = self.endpoint or settings.get("endpoint", "")
        if not endpoint:
            # A node on this machine writes where it listens; after a restart that may be another port.
            path = self.folder / settings["endpoints_file"]
            try:
                endpoint = json.loads(path.read_text())["api"]
            except FileNotFoundError as error:
                message = f"{path} is not there: the node is not running"
                raise CallError("", grpc.StatusCode.UNAVAILABLE, message, {}, 0.5) from error
        credentials = grpc.ssl_channel_credentials(
            root_certificates=(self.folder / "ca.pem").read_bytes(),
            private_key=(self.folder / "client-key.pem").read_bytes(),
            certificate_chain=(self.folder / "client.pem").read_bytes(),
        )
        options: list[tuple[str, int | str]] = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)]
        server_name = self.server_name or settings.get("server_name", "")
        if server_name:
            options.append(("grpc.ssl_target_name_override", server_name))
        return Node(grpc.secure_channel(endpoint, credentials, options))


class Node:
    """The services of one node. Use it in a `with` statement, or call `close`."""

    def __init__(self, channel: grpc.Channel):
        self._channel = channel
        self._submission = submission_grpc.SubmissionServiceStub(channel)
        self._cases = cases_grpc.CaseServiceStub(channel)
        self._ledger = ledger_grpc.LedgerServiceStub(channel)

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and every feed on it."""
        self._channel.close()

    def health(self, timeout_s: float = 30) -> ledger_pb.GetHealthResponse:
        """How the node is; network id, incarnation and protocol version stand in it, too."""
        return self._ask(self._ledger.GetHealth, ledger_pb.GetHealthRequest(), timeout_s)

    def submit(self, signed: bytes, *, final: bool = True, timeout_s: float = 30) -> outcome_pb2.Outcome:
        """Submits a signed transaction. Safe to repeat with the same bytes: the first outcome is told again."""
        wait = submission_pb.WAIT_POLICY_FINAL if final else submission_pb.WAIT_POLICY_ACCEPTED
        transaction = transaction_pb2.SignedTransaction.FromString(signed)
        request = submission_pb.SubmitTransactionRequest(transaction=transaction, wait=wait)
        return self._ask(self._submission.SubmitTransaction, request, timeout_s).outcome

    def report(self, request: submission_pb.ReportStatusRequest, timeout_s: float = 30) -> outcome_pb2.Outcome:
        """Has the node make and sign a report (ReportStatus). Safe to repeat under the same transaction id."""
        return self._ask(self._submission.ReportStatus, request, timeout_s).outcome

    def simulate(self, signed: bytes, timeout_s: float = 30) -> Sequence[outcome_pb2.Receipt]:
        """What a transaction would do now. A promise for nobody."""
        transaction = transaction_pb2.SignedTransaction.FromString(signed)
        request = submission_pb.SimulateTransactionRequest(transaction=transaction)
        return self._ask(self._submission.SimulateTransaction, request, timeout_s).receipts

    def outcome(self, transaction_id: bytes, timeout_s: float = 30) -> outcome_pb2.Outcome:
        """What became of an own transaction."""
        request = submission_pb.GetTransactionRequest(transaction_id=transaction_id)
        return self._ask(self._submission.GetTransaction, request, timeout_s).outcome

    def wait(self, transaction_id: bytes, timeout_s: float = 30) -> outcome_pb2.Outcome:
        """Waits until an own transaction is final or expired; pending if neither happens in time."""
        request = submission_pb.WaitForTransactionRequest(transaction_id=transaction_id)
        return self._ask(self._submission.WaitForTransaction, request, timeout_s).outcome

    def case(self, case_id: bytes, *, min_height: int = 0, timeout_s: float = 30) -> cases_pb.GetCaseResponse:
        """Where a case stands, not before `min_height`: the height of an own outcome reads one's own writes."""
        read_at = position_pb2.ReadAt(min_height=min_height)
        return self._ask(self._cases.GetCase, cases_pb.GetCaseRequest(case_id=case_id, read_at=read_at), timeout_s)

    def prove(
        self, case_id: bytes, fields: Sequence[int] = (), *, min_height: int = 0, timeout_s: float = 30
    ) -> proof_pb2.Proof:
        """A proof of fields of a case, if none is named all that the authority sees, or that there is no such case."""
        read_at = position_pb2.ReadAt(min_height=min_height)
        request = cases_pb.GetProofRequest(case_id=case_id, fields=fields, read_at=read_at)
        return self._ask(self._cases.GetProof, request, timeout_s).proof

    def events(self, case_id: bytes, *, min_height: int = 0, timeout_s: float = 30) -> list:
        """All events of a case."""
        events: list = []
        cursor = ""
        while True:
            read_at = position_pb2.ReadAt(min_height=min_height)
            request = cases_pb.ListEventsRequest(case_id=case_id, after_cursor=cursor, read_at=read_at)
            page = self._ask(self._cases.ListEvents, request, timeout_s)
            events.extend(page.events)
            cursor = page.next_cursor
            if not page.more:
                return events

    def watch(self, after_cursor: str = "", case_id: bytes = b"") -> Iterator[cases_pb.WatchEventsResponse]:
        """The feed after a cursor, from the first event kept if there is none. Ends with a CallError.

        A checkpoint comes at least every CHECKPOINT_MS, even if nothing happens.
        """
        request = cases_pb.WatchEventsRequest(case_id=case_id, checkpoint_interval_ms=CHECKPOINT_MS)
        if after_cursor:
            request.after_cursor = after_cursor
        else:
            request.from_beginning = True
        try:
            yield from self._cases.WatchEvents(request)
        except grpc.RpcError as error:
            raise _call_error(error) from error

    def _ask(self, call, request, timeout_s: float):
        try:
            return call(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise _call_error(error) from error

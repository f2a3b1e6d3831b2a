"""An AWS endpoint on loopback for the tests: moto's S3, Glue and the rest, put right and made to fail on demand.

    aws_server.py [PORT]       0 or none: a free port

Prints one JSON line, {"port": N}, on standard output once it answers, and ends when standard input closes, so it never
outlives the test that started it. State is in memory.

What differs from moto as it comes:
  - Glue's UpdateTable compares `VersionId` with the table's version and answers ConcurrentModificationException when
    they differ (https://docs.aws.amazon.com/glue/latest/webapi/API_UpdateTable.html); without a `VersionId` it
    overwrites, as Glue does. `SkipArchive` keeps no old version.
  - Each S3 and Glue operation is atomic towards the others.

Control, beside the AWS operations (no bucket can have such a name):
  POST   /_tributary/faults   {"operation", "mode", "count", "skip", "delay_ms", "matching"}: see `Fault`
  GET    /_tributary/faults   the faults that are still to come
  DELETE /_tributary/faults   forgets them
  GET    /_tributary/calls    {operation: calls so far}, retries and failed calls included
  GET    /_tributary/log      every call: [{operation, target, status, started_us, ended_us}], times from the server's start
  DELETE /_tributary/calls    starts both again from nothing
  GET    /_tributary/objects?bucket=B&prefix=P    [{key, size_bytes}], by key
"""

import io
import json
import logging
import os
import re
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass
from urllib.parse import parse_qs, unquote

# moto reads these when it is imported; a developer's own AWS settings must not reach it.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ["HOME"] = os.path.dirname(os.path.abspath(__file__))
os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")

from moto.core.responses import EmptyResult  # noqa: E402
from moto.glue.exceptions import GlueClientError  # noqa: E402
from moto.glue.responses import GlueResponse  # noqa: E402
from moto.s3.models import s3_backends  # noqa: E402
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

ACCOUNT = "123456789012"
CONTROL = "/_tributary/"
MODES = ("conflict", "throttle", "unavailable", "lost-reply", "dropped-reply", "delay", "deny-keys")


@dataclass
class Fault:
    """What happens to the calls of one operation, after `skip` of them have passed and until `count` were hit."""

    operation: str
    # conflict       not applied; Glue: 400 ConcurrentModificationException, S3: 412 PreconditionFailed
    # throttle       not applied; Glue: 400 ThrottlingException, S3: 503 SlowDown
    # unavailable    not applied; 500
    # lost-reply     applied, then 500
    # dropped-reply  applied, then the connection is closed without an answer
    # delay          applied as always, late
    # deny-keys      of a DeleteObjects, the keys that have `matching` in them are denied and stay, each with its own error
    mode: str
    count: int = 1
    skip: int = 0
    # Waited before the call is applied; for the two lost replies, between applying and answering.
    delay_ms: int = 0
    # Only calls whose path or body has this text: a table's name, the end of an object's key.
    matching: str = ""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"no mode named `{self.mode}`: choose from {', '.join(MODES)}")


class Faults:
    """The faults still to come. The first that fits a call takes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append(fault)

    def list(self) -> list[dict]:
        with self._lock:
            return [asdict(fault) for fault in self._armed]

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def take(self, operation: str, path: str, body: bytes) -> Fault | None:
        with self._lock:
            for fault in self._armed:
                if fault.operation != operation:
                    continue
                if fault.matching not in path and fault.matching.encode() not in body:
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.count -= 1
                if fault.count <= 0:
                    self._armed.remove(fault)
                return fault
        return None


class Calls:
    """What was called: how often, and when."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._log: list[dict] = []
        self._start_ns = time.monotonic_ns()

    def now_us(self) -> int:
        return (time.monotonic_ns() - self._start_ns) // 1000

    def begin(self, operation: str, target: str) -> dict:
        # Counted when it arrives, so that a call which is never answered counts as well.
        entry = {"operation": operation, "target": target, "status": None, "started_us": self.now_us(), "ended_us": None}
        with self._lock:
            self._log.append(entry)
        return entry

    def log(self) -> list[dict]:
        with self._lock:
            return [dict(entry) for entry in self._log]

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for entry in self.log():
            counts[entry["operation"]] = counts.get(entry["operation"], 0) + 1
        return counts

    def clear(self) -> None:
        with self._lock:
            self._log.clear()


def update_table(self: GlueResponse) -> EmptyResult:
    """Glue's UpdateTable. Runs under `Ground.state`, so nothing comes between the comparison and the change."""
    asked = self.parameters
    database, name = asked["DatabaseName"], asked["TableInput"]["Name"]
    table = self.glue_backend.get_table(database, name)
    held = table.as_dict()["VersionId"]
    expected = asked.get("VersionId")
    if expected is not None and expected != held:
        raise GlueClientError(
            "ConcurrentModificationException",
            f"Update table failed due to concurrent modifications: version {expected} of {database}.{name} "
            f"was expected, {held} is current.",
        )
    table.update(asked["TableInput"])
    if asked.get("SkipArchive"):
        table.versions.pop(held, None)
    return EmptyResult()


GlueResponse.update_table = update_table

# An S3 operation is named by its method, by whether the path has a key, and by a telling query parameter or header.
S3_BY_QUERY = {
    ("POST", "delete"): "DeleteObjects",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("PUT", "uploadId"): "UploadPart",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "versions"): "ListObjectVersions",
    ("GET", "location"): "GetBucketLocation",
}
S3_ON_KEY = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
S3_ON_BUCKET = {"GET": "ListObjectsV2", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}


def operation_of(environ: dict, path: str, body: bytes) -> tuple[str, bool]:
    """The name of the AWS operation that a request calls, and whether it is one of S3's."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return target.rsplit(".", 1)[-1], False
    action = re.search(rb"(?:^|&)Action=(\w+)", body)
    if action and environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return action.group(1).decode(), False
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request", environ.get("HTTP_AUTHORIZATION", ""))
    method = environ["REQUEST_METHOD"]
    if scope and scope.group(1) != "s3":
        return f"{scope.group(1)}:{method}", False
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    for parameter in query:
        if (method, parameter) in S3_BY_QUERY:
            return S3_BY_QUERY[(method, parameter)], True
    if path == "/":
        return "ListBuckets", True
    if "/" not in path.strip("/"):
        return S3_ON_BUCKET.get(method, method), True
    if "HTTP_X_AMZ_COPY_SOURCE" in environ:
        return "CopyObject", True
    return S3_ON_KEY.get(method, method), True


def json_error(status: str, code: str, message: str) -> tuple[str, list, bytes]:
    body = json.dumps({"__type": code, "message": message}).encode()
    return status, [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)], body


def xml_error(status: str, code: str, message: str) -> tuple[str, list, bytes]:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return status, [("Content-Type", "application/xml")], body.encode()


def refusal(mode: str, of_s3: bool) -> tuple[str, list, bytes]:
    """The answer of a fault, in the words of the service."""
    if of_s3:
        status, code = {
            "conflict": ("412 Precondition Failed", "PreconditionFailed"),
            "throttle": ("503 Slow Down", "SlowDown"),
        }.get(mode, ("500 Internal Server Error", "InternalError"))
        return xml_error(status, code, "a fault that the test asked for")
    status, code = {
        "conflict": ("400 Bad Request", "ConcurrentModificationException"),
        "throttle": ("400 Bad Request", "ThrottlingException"),
    }.get(mode, ("500 Internal Server Error", "InternalServiceException"))
    return json_error(status, code, "a fault that the test asked for")


class Ground:
    """The WSGI application: control requests, then faults, then moto."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        # moto's handlers read, check and write in several steps and are called from one thread a connection.
        self.state = threading.Lock()
        self.faults = Faults()
        self.calls = Calls()

    def __call__(self, environ: dict, start_response):
        # Read whole before anything is answered: bytes left behind would be taken for the connection's next request.
        body = self._read_body(environ)
        path = environ.get("PATH_INFO", "/")
        if path.startswith(CONTROL):
            return self._send(start_response, *self._control(environ, path.removeprefix(CONTROL), body))
        operation, of_s3 = operation_of(environ, path, body)
        entry = self.calls.begin(operation, path if of_s3 else body.decode("utf-8", "replace")[:400])
        fault = self.faults.take(operation, path, body)
        answer = self._answer(environ, operation, of_s3, fault)
        entry["ended_us"] = self.calls.now_us()
        if answer is None:
            # Without an answer of any kind: the caller can't tell whether the call was applied.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError("a reply that the test asked to drop")
        entry["status"] = int(answer[0].split()[0])
        return self._send(start_response, *answer)

    def _answer(self, environ: dict, operation: str, of_s3: bool, fault: Fault | None) -> tuple[str, list, bytes] | None:
        if fault is None:
            return self._apply(environ, operation, of_s3)
        applied_first = fault.mode in ("lost-reply", "dropped-reply")
        if applied_first:
            self._apply(environ, operation, of_s3)
        if fault.delay_ms:
            time.sleep(fault.delay_ms / 1000)
        if fault.mode == "delay":
            return self._apply(environ, operation, of_s3)
        if fault.mode == "deny-keys":
            return self._apply_but(environ, fault.matching)
        return None if fault.mode == "dropped-reply" else refusal(fault.mode, of_s3)

    def _apply_but(self, environ: dict, denied: str) -> tuple[str, list, bytes]:
        body = environ["wsgi.input"].read()
        objects = re.findall(rb"<Object>.*?</Object>", body, re.DOTALL)
        keys = [re.search(rb"<Key>(.*?)</Key>", one, re.DOTALL).group(1) for one in objects if denied.encode() in one]
        for one in objects:
            if denied.encode() in one:
                body = body.replace(one, b"")
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        environ.pop("HTTP_CONTENT_MD5", None)
        status, headers, answer = self._apply(environ, "DeleteObjects", True)
        errors = b"".join(b"<Error><Key>" + key + b"</Key><Code>AccessDenied</Code><Message>denied</Message></Error>" for key in keys)
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        return status, headers, answer.replace(b"</DeleteResult>", errors + b"</DeleteResult>")

    def _apply(self, environ: dict, operation: str, of_s3: bool) -> tuple[str, list, bytes]:
        answer: list = []

        def start_response(status: str, headers: list, _exc_info=None) -> None:
            answer[:] = [status, headers]

        # Only these two are serialised: other services of moto may call back into this server.
        if of_s3 or "AWSGlue." in environ.get("HTTP_X_AMZ_TARGET", ""):
            with self.state:
                body = self._drain(self._moto(environ, start_response))
        else:
            body = self._drain(self._moto(environ, start_response))
        return answer[0], answer[1], body

    @staticmethod
    def _drain(chunks) -> bytes:
        try:
            return b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    @staticmethod
    def _read_body(environ: dict) -> bytes:
        if environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"].read()
        else:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        return body

    @staticmethod
    def _send(start_response, status: str, headers: list, body: bytes) -> list[bytes]:
        # A HEAD answer has no body, yet its length is the object's: moto's own header stands.
        if not any(name.lower() == "content-length" for name, _ in headers):
            headers = [*headers, ("Content-Length", str(len(body)))]
        start_response(status, headers)
        return [body]

    def _control(self, environ: dict, what: str, body: bytes) -> tuple[str, list, bytes]:
        method = environ["REQUEST_METHOD"]
        query = {key: values[0] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        try:
            answer = self._control_answer(method, what, query, body)
        except (KeyError, TypeError, ValueError) as error:
            return json_error("400 Bad Request", "BadControlRequest", f"{method} {what}: {error}")
        return "200 OK", [("Content-Type", "application/json")], json.dumps(answer).encode()

    def _control_answer(self, method: str, what: str, query: dict, body: bytes):
        match method, what:
            case "POST", "faults":
                self.faults.arm(Fault(**json.loads(body)))
                return self.faults.list()
            case "GET", "faults":
                return self.faults.list()
            case "DELETE", "faults":
                self.faults.clear()
                return []
            case "GET", "calls":
                return self.calls.counts()
            case "GET", "log":
                return self.calls.log()
            case "DELETE", "calls":
                self.calls.clear()
                return {}
            case "GET", "objects":
                return self._objects(query["bucket"], query.get("prefix", ""))
        raise ValueError("no such control request")

    def _objects(self, bucket: str, prefix: str) -> list[dict]:
        with self.state:
            buckets = s3_backends[ACCOUNT]["aws"].buckets
            if bucket not in buckets:
                raise ValueError(f"no bucket named `{bucket}`")
            keys = [(unquote(key.name), key.size) for key in buckets[bucket].keys.values()]
        return [{"key": key, "size_bytes": size} for key, size in sorted(keys) if key.startswith(prefix)]


def end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = make_server("127.0.0.1", port, Ground(), threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=end_with_parent, daemon=True).start()
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

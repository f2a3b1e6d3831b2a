"""A Trino server of one node on the tests' AWS endpoint, and a session with it.

    trino_session.py AWS_ENDPOINT

One JSON request a line on standard input, {"sql": TEXT}; one JSON answer a line on standard output, {"ok": {"columns",
"rows"}} or {"error": text}, values and order as `arrow_json.py` says. The first line, before any request, is {"ready": true},
once the server takes queries. The catalog `lake` is Iceberg on the endpoint's Glue and S3. Everything ends, and the
server's folder goes, when standard input closes.
"""

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import jdks
from arrow_json import order, plain

TRINO = Path(__file__).resolve().parent.parent.parent / ".tools" / "trino"
JAVA_VARIABLE, JAVA_VERSIONS = "TRIBUTARY_JAVA25", range(25, 40)
REGION, KEY = "us-east-1", "test"
START_SECONDS_MAX = 240
# A server that does not answer at all; a query that runs is answered page by page within a second or so.
ANSWER_SECONDS_MAX = 120
# Small and quick to start, since each test program has its own server: one collector thread, no second compiler.
JAVA_OPTIONS = (
    "-Xmx1G", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-OmitStackTraceInFastThrow",
    "-XX:ReservedCodeCacheSize=256M", "-XX:+EnableDynamicAgentLoading", "-XX:+UnlockDiagnosticVMOptions",
    "-Djdk.attach.allowAttachSelf=true", "-Dfile.encoding=UTF-8", "-Duser.timezone=UTC",
    "--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",
)

NODE = """\
node.environment=interop
node.id=interop
node.data-dir={folder}/data
node.internal-address=127.0.0.1
node.bind-ip=127.0.0.1
"""
CONFIG = """\
coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
discovery.uri=http://127.0.0.1:{port}
query.max-memory-per-node=300MB
memory.heap-headroom-per-node=200MB
catalog.management=static
plugin.dir={plugins}
"""
CATALOG = """\
connector.name=iceberg
iceberg.catalog.type=glue
hive.metastore.glue.endpoint-url={endpoint}
hive.metastore.glue.region={region}
hive.metastore.glue.aws-access-key={key}
hive.metastore.glue.aws-secret-key={key}
iceberg.expire-snapshots.min-retention=0s
iceberg.remove-orphan-files.min-retention=0s
fs.native-s3.enabled=true
s3.endpoint={endpoint}
s3.region={region}
s3.path-style-access=true
s3.aws-access-key={key}
s3.aws-secret-key={key}
"""


def main() -> None:
    # A library that prints must not get between the answers: only `replies` reaches the pipe.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder = Path(tempfile.mkdtemp(prefix="tributary-trino-"))
    server = None
    try:
        port = free_port()
        server = start(folder, port, sys.argv[1])
        # Told apart from the loop below, so that the server also ends with a test that is killed while a query runs.
        requests = RequestLines(server)
        wait_until_ready(server, port)
        print(json.dumps({"ready": True}), file=replies, flush=True)
        for line in requests:
            request = json.loads(line)
            reply = answer(port, request["sql"]) if "sql" in request else {"error": f"no such request: {line}"}
            print(json.dumps(reply), file=replies, flush=True)
    finally:
        if server is not None:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


class RequestLines:
    """The lines of standard input. Its end kills the server at once, whatever it is doing."""

    def __init__(self, server: subprocess.Popen) -> None:
        self._server = server
        self._lines: list[str | None] = []
        self._came = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            self._put(line)
        self._server.kill()
        self._put(None)

    def _put(self, line: str | None) -> None:
        with self._came:
            self._lines.append(line)
            self._came.notify()

    def __iter__(self):
        while True:
            with self._came:
                self._came.wait_for(lambda: self._lines)
                line = self._lines.pop(0)
            if line is None:
                return
            yield line


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder: Path, port: int, endpoint: str) -> subprocess.Popen:
    home = jdks.find(JAVA_VERSIONS, JAVA_VARIABLE)
    if home is None:
        sys.exit(f"no Java {JAVA_VERSIONS.start} found: set `{JAVA_VARIABLE}` to its folder")
    (folder / "catalog").mkdir()
    written = {"node.properties": NODE, "config.properties": CONFIG, "catalog/lake.properties": CATALOG}
    values = {"folder": folder, "port": port, "plugins": TRINO / "plugin", "endpoint": endpoint, "region": REGION, "key": KEY}
    for name, text in written.items():
        (folder / name).write_text(text.format(**values))
    (folder / "log.properties").write_text("io.trino=WARN\n")
    version = (TRINO / "version").read_text().strip()
    command = [
        home / "bin" / "java", *JAVA_OPTIONS, f"-Djava.io.tmpdir={folder}", f"-Dlog.levels-file={folder}/log.properties",
        f"-Dconfig={folder}/config.properties", f"-Dcatalog.config-dir={folder}/catalog", "-cp", f"{TRINO}/lib/*:{TRINO}/lib/interop",
        # The node's settings are asked for as system properties; the launcher of the tarball reads its file.
        *(f"-D{line}" for line in NODE.format(**values).splitlines()), "io.trino.server.InteropServer", version,
    ]
    return subprocess.Popen([str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL)


def wait_until_ready(server: subprocess.Popen, port: int) -> None:
    until = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < until:
        if server.poll() is not None:
            sys.exit(f"Trino ended with exit code {server.returncode}")
        try:
            # Also when it says that it has started, the first queries may find no node to run on.
            if not call("GET", f"http://127.0.0.1:{port}/v1/info")["starting"] and "ok" in answer(port, "SELECT 1"):
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.2)
    sys.exit(f"Trino takes no queries after {START_SECONDS_MAX} s")


def call(method: str, url: str, body: str | None = None) -> dict:
    headers = {
        "X-Trino-User": "tests", "X-Trino-Catalog": "lake", "X-Trino-Time-Zone": "UTC",
        # Without it Trino rounds every time to milliseconds for the client.
        "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME",
    }
    request = urllib.request.Request(url, data=body and body.encode(), headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS_MAX) as reply:
        return json.load(reply)


def answer(port: int, sql: str) -> dict:
    """Runs one statement to its end: Trino's own protocol, a chain of pages each of which names the next."""
    columns, found = [], []
    try:
        page = call("POST", f"http://127.0.0.1:{port}/v1/statement", sql)
        while True:
            if "error" in page:
                return {"error": f"{page['error'].get('errorName')}: {page['error'].get('message')}"}
            columns = page.get("columns", columns)
            found.extend(page.get("data", []))
            if "nextUri" not in page:
                break
            page = call("GET", page["nextUri"])
        types = [column["typeSignature"] for column in columns]
        names = [column["name"] for column in columns]
        rows = [dict(zip(names, map(value, types, row))) for row in found]
    except (OSError, ValueError, TypeError, LookupError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ok": {"columns": names, "rows": sorted(rows, key=order)}}


def value(signature: dict, one):
    """One value of Trino's JSON in canonical form."""
    if one is None:
        return None
    kind, inner = signature["rawType"], [argument["value"] for argument in signature.get("arguments", [])]
    match kind:
        case "array":
            return [value(inner[0], item) for item in one]
        case "map":
            # The keys of a JSON object: text, whatever their type.
            pairs = [[value(inner[0], key), value(inner[1], item)] for key, item in one.items()]
            return sorted(pairs, key=order)
        case "row":
            fields = [(field["fieldName"]["name"], field["typeSignature"]) for field in inner]
            return {name: value(type_, item) for (name, type_), item in zip(fields, one)}
        case "real":
            # The nearest 32-bit value, shown as the double that it is.
            return plain(struct.unpack("f", struct.pack("f", float(one)))[0])
        case "double":
            return plain(float(one))
        case "varbinary":
            return base64.b64decode(one).hex()
        case "uuid":
            return str(uuid.UUID(one))
        case "timestamp":
            return one.replace(" ", "T")
        case "timestamp with time zone":
            return one.removesuffix(" UTC").replace(" ", "T") + "Z"
        case "tinyint" | "smallint" | "integer" | "bigint":
            return int(one)
        case "boolean" | "varchar" | "char" | "decimal" | "date" | "time":
            return one
    raise TypeError(f"no canonical JSON for a value of Trino's type {kind}")


if __name__ == "__main__":
    main()

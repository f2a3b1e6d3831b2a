"""What a table needs, from its raw files: JSON and Avro read here byte by byte, by no Iceberg library and none of our code.

    reachability.py METADATA_LOCATION [S3_ENDPOINT]

Prints one JSON object: {"needed": {kind: [location, ...]}, "missing": [location, ...]}. Needed is what any snapshot, ref or
statistics entry of the metadata reaches: kinds `metadata`, `manifest-list`, `manifest`, `data`, `delete`, `statistics`; and, not
counted as missing, the older files of the metadata log: kind `metadata-log`.

Written after the Iceberg spec ("Table Metadata", "Manifest Lists", "Manifests") and the Avro specification ("Object Container
Files", "Binary Encoding").
"""

import gzip
import io
import json
import os
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

MAGIC = b"Obj\x01"


class Store:
    """Reads local files, and S3 where an endpoint is given."""

    def __init__(self, endpoint: str | None) -> None:
        if endpoint:
            import boto3

            self._s3 = boto3.client(
                "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
            )

    def read(self, location: str) -> bytes:
        scheme, bucket, path = self._parts(location)
        if scheme == "s3":
            return self._s3.get_object(Bucket=bucket, Key=path[1:])["Body"].read()
        with open(path, "rb") as file:
            return file.read()

    def exists(self, location: str) -> bool:
        scheme, bucket, path = self._parts(location)
        if scheme != "s3":
            return os.path.isfile(path)
        found = self._s3.list_objects_v2(Bucket=bucket, Prefix=path[1:], MaxKeys=1).get("Contents", [])
        return [entry["Key"] for entry in found] == [path[1:]]

    @staticmethod
    def _parts(location: str) -> tuple[str, str, str]:
        parts = urlsplit(location)
        if parts.scheme in ("s3", "s3a"):
            # Not urlsplit's path: a key may have `?` and `#` in it.
            bucket, _, key = location.split("://", 1)[1].partition("/")
            return "s3", bucket, "/" + key
        return "file", "", location.removeprefix("file://").removeprefix("file:")


class Decoder:
    """Avro's binary encoding, by a schema."""

    def __init__(self, data: bytes, names: dict) -> None:
        self._in = io.BytesIO(data)
        self._names = names

    def take(self, count: int) -> bytes:
        data = self._in.read(count)
        if len(data) != count:
            raise ValueError(f"expected {count} more bytes, found {len(data)}")
        return data

    def is_at_end(self) -> bool:
        return self._in.tell() == len(self._in.getbuffer())

    def long(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7

    def bytes(self) -> bytes:
        return self.take(self.long())

    def value(self, schema):
        if isinstance(schema, list):
            return self.value(schema[self.long()])
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, (dict, list)):
            return self.value(kind)
        if kind in self._names:
            return self.value(self._names[kind])
        match kind:
            case "null":
                return None
            case "boolean":
                return self.take(1) == b"\x01"
            case "int" | "long":
                return self.long()
            case "float":
                return self.take(4)
            case "double":
                return self.take(8)
            case "bytes":
                return self.bytes()
            case "string":
                return self.bytes().decode()
            case "fixed":
                return self.take(schema["size"])
            case "enum":
                return schema["symbols"][self.long()]
            case "record":
                return {field["name"]: self.value(field["type"]) for field in schema["fields"]}
            case "array":
                return [self.value(schema["items"]) for _ in self._blocks()]
            case "map":
                return {self.bytes().decode(): self.value(schema["values"]) for _ in self._blocks()}
        raise ValueError(f"no Avro type `{kind}`")

    def _blocks(self):
        while count := self.long():
            if count < 0:
                self.long()
                count = -count
            yield from range(count)


def named_types(schema, names: dict) -> dict:
    """Every named type by its name, with and without its namespace."""
    if isinstance(schema, list):
        for one in schema:
            named_types(one, names)
    elif isinstance(schema, dict):
        if schema.get("type") in ("record", "fixed", "enum"):
            names[schema["name"]] = schema
            names[f"{schema.get('namespace', '')}.{schema['name']}"] = schema
        for one in [field["type"] for field in schema.get("fields", [])] + [schema.get("items"), schema.get("values"), schema.get("type")]:
            if isinstance(one, (dict, list)):
                named_types(one, names)
    return names


def decompress(codec: str, block: bytes) -> bytes:
    match codec:
        case "null":
            return block
        case "deflate":
            return zlib.decompress(block, wbits=-15)
        case "zstandard":
            import zstandard

            return zstandard.ZstdDecompressor().decompressobj().decompress(block)
    raise ValueError(f"no reader for the Avro codec `{codec}`")


def records(data: bytes) -> list[dict]:
    """The records of an Avro container file."""
    file = Decoder(data, {})
    if file.take(4) != MAGIC:
        raise ValueError("no Avro container file")
    head = file.value({"type": "map", "values": "bytes"})
    schema = json.loads(head["avro.schema"])
    codec = head.get("avro.codec", b"null").decode()
    names, mark, found = named_types(schema, {}), file.take(16), []
    while not file.is_at_end():
        count, block = file.long(), decompress(codec, file.bytes())
        decoder = Decoder(block, names)
        found += [decoder.value(schema) for _ in range(count)]
        if file.take(16) != mark:
            raise ValueError("an Avro block without its mark")
    return found


def needed_by(store: Store, location: str) -> dict[str, set[str]]:
    raw = store.read(location)
    metadata = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    snapshots = {snapshot["snapshot-id"]: snapshot for snapshot in metadata.get("snapshots", [])}
    for name, ref in metadata.get("refs", {}).items():
        if ref["snapshot-id"] not in snapshots:
            raise ValueError(f"ref `{name}` names snapshot {ref['snapshot-id']}, which the table does not have")
    statistics = metadata.get("statistics", []) + metadata.get("partition-statistics", [])
    needed = {
        "metadata": {location},
        "metadata-log": {entry["metadata-file"] for entry in metadata.get("metadata-log", [])},
        "statistics": {entry["statistics-path"] for entry in statistics},
        "manifest-list": {snapshot["manifest-list"] for snapshot in snapshots.values()},
        "manifest": set(),
        "data": set(),
        "delete": set(),
    }
    with ThreadPoolExecutor(8) as pool:
        for listed in pool.map(lambda path: records(store.read(path)), needed["manifest-list"]):
            needed["manifest"] |= {manifest["manifest_path"] for manifest in listed}
        for entries in pool.map(lambda path: records(store.read(path)), needed["manifest"]):
            for entry in entries:
                # 2: deleted, kept as a note.
                if entry["status"] != 2:
                    kind = "delete" if entry["data_file"].get("content", 0) else "data"
                    needed[kind].add(entry["data_file"]["file_path"])
    return needed


def main() -> None:
    location, endpoint = sys.argv[1], (sys.argv[2:] or [None])[0]
    store = Store(endpoint)
    needed = needed_by(store, location)
    required = sorted(path for kind, paths in needed.items() if kind != "metadata-log" for path in paths)
    with ThreadPoolExecutor(8) as pool:
        there = list(pool.map(store.exists, required))
    missing = [path for path, is_there in zip(required, there) if not is_there]
    print(json.dumps({"needed": {kind: sorted(paths) for kind, paths in needed.items()}, "missing": missing}))


if __name__ == "__main__":
    main()

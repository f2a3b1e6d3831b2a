"""Reads Iceberg tables for the tests by two independent engines, PyIceberg and DuckDB.

One JSON request a line on standard input, one JSON answer a line on standard output; ends when standard input closes.

    {"op": OP, "at": AT, "engine": "pyiceberg" | "duckdb", ...}
    AT: {"kind": "sqlite", "catalog_db", "catalog_name", "table"}   table: "namespace.name"
        {"kind": "glue", "endpoint", "table"}
        {"kind": "metadata", "location", "endpoint"?}
    OP: rows                       {"columns", "rows"}
        where   "filter"           the same, of the rows that the filter keeps, with the engine's own pruning
        filtered_after "filter"    the same, of a full read by PyIceberg filtered in memory: what `where` must equal
        ids     "column"           {"rows", "distinct", "min", "max"}
            inspect                    {"metadata_location", "format_version", "schema", "properties", "snapshots", "refs", "manifests",
                                   "partitions", "files"} of the current snapshot, by PyIceberg alone

Answers: {"ok": ...} or {"error": text}. Values as `arrow_json.py` says. The two engines share nothing here but the
metadata location, which each finds in the catalog by itself.
"""

import functools
import glob
import json
import os
import sqlite3
import sys
from urllib.parse import urlparse

for name in [name for name in os.environ if name.startswith(("AWS_", "PYICEBERG_"))]:
    del os.environ[name]
# A user's ~/.pyiceberg.yaml and ~/.aws must not change what a test sees.
os.environ["HOME"] = os.path.dirname(os.path.abspath(__file__))

import boto3  # noqa: E402
import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
from pyiceberg.catalog import load_catalog  # noqa: E402
from pyiceberg.conversions import from_bytes  # noqa: E402
from pyiceberg.table import StaticTable  # noqa: E402
from pyiceberg.types import DoubleType, FloatType, IntegerType, LongType, UUIDType  # noqa: E402

from arrow_json import plain, rows_of  # noqa: E402

REGION, KEY, SECRET = "us-east-1", "test", "test"
EXTENSIONS = ("avro", "httpfs", "iceberg")


def s3_properties(endpoint: str | None) -> dict:
    if endpoint is None:
        return {}
    return {"s3.endpoint": endpoint, "s3.access-key-id": KEY, "s3.secret-access-key": SECRET, "s3.region": REGION}


def pyiceberg_table(at: dict):
    match at["kind"]:
        case "sqlite":
            # A reader creates no catalog tables: a missing one is the writer's mistake.
            where = {"uri": f"sqlite:///{at['catalog_db']}", "init_catalog_tables": "false"}
            return load_catalog(at["catalog_name"], type="sql", **where).load_table(at["table"])
        case "glue":
            glue = {"glue.endpoint": at["endpoint"], "glue.region": REGION, "glue.access-key-id": KEY, "glue.secret-access-key": SECRET}
            return load_catalog("glue", type="glue", **glue, **s3_properties(at["endpoint"])).load_table(at["table"])
        case "metadata":
            return StaticTable.from_metadata(at["location"], s3_properties(at.get("endpoint")))
    raise ValueError(f"no kind of catalog named `{at['kind']}`")


def metadata_location(at: dict) -> str:
    """Where the table's metadata is, asked of the catalog without PyIceberg."""
    if at["kind"] == "metadata":
        return at["location"]
    namespace, name = at["table"].rsplit(".", 1)
    if at["kind"] == "glue":
        glue = boto3.client("glue", endpoint_url=at["endpoint"], region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=SECRET)
        return glue.get_table(DatabaseName=namespace, Name=name)["Table"]["Parameters"]["metadata_location"]
    query = "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?"
    with sqlite3.connect(f"file:{at['catalog_db']}?mode=ro", uri=True) as database:
        found = database.execute(query, (at["catalog_name"], namespace, name)).fetchone()
    if found is None:
        raise LookupError(f"no table `{at['table']}` in catalog `{at['catalog_name']}` of {at['catalog_db']}")
    return found[0]


@functools.cache
def duckdb_engine() -> duckdb.DuckDBPyConnection:
    """DuckDB with its extensions, which take longer to load than a table takes to read."""
    connection = duckdb.connect()
    connection.execute("SET autoinstall_known_extensions = false")
    # No file is read from one request's cache in another.
    connection.execute("SET enable_external_file_cache = false")
    site = os.path.dirname(os.path.dirname(duckdb.__file__))
    for extension in EXTENSIONS:
        found = glob.glob(f"{site}/duckdb_extension_{extension}/extensions/*/{extension}.duckdb_extension")
        if not found:
            raise LookupError(f"DuckDB's extension `{extension}` is not installed: run tests/tools/setup")
        connection.execute(f"LOAD '{found[0]}'")
    return connection


def duckdb_connection(at: dict) -> duckdb.DuckDBPyConnection:
    """A connection of its own for each request."""
    connection = duckdb_engine().cursor()
    connection.execute("SET TimeZone = 'UTC'")
    endpoint = at.get("endpoint")
    if endpoint:
        connection.execute(
            f"CREATE OR REPLACE SECRET endpoint (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}', "
            f"ENDPOINT '{urlparse(endpoint).netloc}', URL_STYLE 'path', USE_SSL false)"
        )
    return connection


def duckdb_query(at: dict, select: str, condition: str = "") -> pa.Table:
    where = f" WHERE {condition}" if condition else ""
    # The location is quoted as SQL text is: a quote in it is doubled.
    location = metadata_location(at).replace("'", "''")
    with duckdb_connection(at) as connection:
        return connection.execute(f"SELECT {select} FROM iceberg_scan('{location}'){where}").to_arrow_table()


def uuid_columns(table) -> frozenset:
    return frozenset(field.name for field in table.schema().fields if isinstance(field.field_type, UUIDType))


def answer(table: pa.Table, uuids: frozenset = frozenset()) -> dict:
    return {"columns": table.schema.names, "rows": rows_of(table, uuids)}


def rows(request: dict) -> dict:
    return where({**request, "filter": ""})


def where(request: dict) -> dict:
    at, condition = request["at"], request["filter"]
    if request["engine"] == "duckdb":
        return answer(duckdb_query(at, "*", condition))
    table = pyiceberg_table(at)
    scan = table.scan(row_filter=condition) if condition else table.scan()
    return answer(scan.to_arrow(), uuid_columns(table))


def filtered_after(request: dict) -> dict:
    table = pyiceberg_table(request["at"])
    full_read = table.scan().to_arrow()
    with duckdb_connection({}) as connection:
        connection.register("full_read", full_read)
        kept = connection.execute(f"SELECT * FROM full_read WHERE {request['filter']}").to_arrow_table()
    return answer(kept, uuid_columns(table))


def ids(request: dict) -> dict:
    at, column = request["at"], request["column"]
    if request["engine"] == "duckdb":
        name = '"' + column.replace('"', '""') + '"'
        found = duckdb_query(at, f"count(*) AS rows, count(DISTINCT {name}) AS distinct_count, min({name}) AS low, max({name}) AS high")
        row = rows_of(found)[0]
        return {"rows": row["rows"], "distinct": row["distinct_count"], "min": row["low"], "max": row["high"]}
    values = pyiceberg_table(at).scan(selected_fields=(column,)).to_arrow().column(column)
    bounds = pc.min_max(values)
    low_high = rows_of(pa.table({"low": pa.array([bounds["min"].as_py()], values.type), "high": pa.array([bounds["max"].as_py()], values.type)}))[0]
    return {"rows": len(values), "distinct": pc.count_distinct(values).as_py(), "min": low_high["low"], "max": low_high["high"]}


def inspect(request: dict) -> dict:
    table = pyiceberg_table(request["at"])
    seen = table.inspect
    found = {
        "metadata_location": table.metadata_location,
        "format_version": table.format_version,
        "schema": json.loads(table.schema().model_dump_json()),
        "properties": dict(table.properties),
    }
    for part in ("snapshots", "refs", "manifests", "partitions"):
        found[part] = rows_of(getattr(seen, part)())
    # A summary is looked into by name, and its keys are text: an object serves better than pairs.
    for snapshot in found["snapshots"]:
        snapshot["summary"] = dict(snapshot["summary"] or [])
    found["files"] = files(table)
    return found


def files(table) -> list[dict]:
    """The live files as the manifests tell of them. PyIceberg's own `inspect.files` fails on tables with a uuid column."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return []
    schemas = table.schemas()
    # The newest type of each column: schemas come in any order.
    newest_last = [schemas[schema_id] for schema_id in sorted(schemas)] + [table.schema()]
    types = {field.field_id: field.field_type for schema in newest_last for field in all_fields(schema)}
    found = []
    for manifest in snapshot.manifests(table.io):
        spec = table.specs()[manifest.partition_spec_id]
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            found.append(file_entry(manifest, entry, spec, types))
    return sorted(found, key=lambda one: one["file_path"])


def all_fields(schema) -> list:
    return [schema.find_field(field_id) for field_id in schema.field_ids]


def written(kind, value: bytes):
    """The type a bound was written by: the column may have been widened since."""
    if len(value) == 4 and isinstance(kind, (LongType, DoubleType)):
        return IntegerType() if isinstance(kind, LongType) else FloatType()
    return kind


def file_entry(manifest, entry, spec, types: dict) -> dict:
    file = entry.data_file

    def bounds(of_field: dict | None) -> dict:
        return {str(key): plain(from_bytes(written(types[key], value), value)) for key, value in (of_field or {}).items() if key in types}

    def counts(of_field: dict | None) -> dict:
        return {str(key): count for key, count in (of_field or {}).items()}

    return {
        "file_path": file.file_path,
        "content": file.content.name.lower(),
        "file_format": str(file.file_format.value).lower(),
        "status": entry.status.name.lower(),
        "snapshot_id": entry.snapshot_id,
        "sequence_number": entry.sequence_number,
        "file_sequence_number": entry.file_sequence_number,
        "manifest_path": manifest.manifest_path,
        "spec_id": manifest.partition_spec_id,
        "partition": {field.name: plain(file.partition[index]) for index, field in enumerate(spec.fields)},
        "record_count": file.record_count,
        "file_size_in_bytes": file.file_size_in_bytes,
        "sort_order_id": file.sort_order_id,
        "split_offsets": file.split_offsets,
        "column_sizes": counts(file.column_sizes),
        "value_counts": counts(file.value_counts),
        "null_value_counts": counts(file.null_value_counts),
        "nan_value_counts": counts(file.nan_value_counts),
        "lower_bounds": bounds(file.lower_bounds),
        "upper_bounds": bounds(file.upper_bounds),
    }


OPERATIONS = {"rows": rows, "where": where, "filtered_after": filtered_after, "ids": ids, "inspect": inspect}


def main() -> None:
    # A library that prints must not get between the answers: only `replies` reaches the pipe.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            request = json.loads(line)
            reply = {"ok": OPERATIONS[request["op"]](request)}
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is the answer
            # After an error of its own DuckDB refuses everything else.
            if isinstance(error, (duckdb.InternalException, duckdb.FatalException)):
                duckdb_engine.cache_clear()
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)
    # At once: tearing down two engines takes longer than the test that was waiting.
    os._exit(0)


if __name__ == "__main__":
    main()

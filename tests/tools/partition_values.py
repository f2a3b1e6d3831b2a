"""Computes by PyIceberg's own transforms which partition each row of each data file belongs to, beside what the manifest
says of the file. The transforms are those in Python, which share no code with the `iceberg` crate (PyIceberg's Arrow
transforms do).

    partition_values.py CATALOG_DB

One JSON object on standard output: table name -> files, each {"spec_id", "rows", "claimed", "computed"}; `claimed` is the
manifest's partition and `computed` the distinct partitions of the file's rows, values in the form of `arrow_json.plain`
(dates and times as the integers that Iceberg stores).
"""

import json
import sys
import uuid

import pyarrow as pa
import pyarrow.parquet as parquet
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import UUIDType

from arrow_json import plain


def value_of(scalar: pa.Scalar):
    """The value as Iceberg's transforms take it: integers for dates and times."""
    if not scalar.is_valid:
        return None
    kind = scalar.type
    if isinstance(scalar, pa.ExtensionScalar):
        return value_of(scalar.value)
    if pa.types.is_date(kind) or pa.types.is_time(kind) or pa.types.is_timestamp(kind):
        return scalar.value
    return scalar.as_py()


def column_by_id(table: pa.Table, field_id: int) -> list[pa.Scalar]:
    """The column of a field id, at the top level or inside structs."""

    def wanted(field: pa.Field) -> bool:
        return (field.metadata or {}).get(b"PARQUET:field_id") == str(field_id).encode()

    def search(fields, read) -> list[pa.Scalar] | None:
        for index, field in enumerate(fields):
            column = read(index, field)
            if wanted(field):
                return column
            if pa.types.is_struct(field.type):
                inner = [field.type.field(number) for number in range(field.type.num_fields)]
                found = search(inner, lambda number, one, column=column: [child(struct, number, one) for struct in column])
                if found is not None:
                    return found
        return None

    return search(table.schema, lambda index, _: list(table.column(index)))


def child(struct: pa.Scalar, number: int, field: pa.Field) -> pa.Scalar:
    return struct[number] if struct.is_valid else pa.scalar(None, field.type)


def shown(value, source_type):
    return str(uuid.UUID(bytes=value)) if isinstance(source_type, UUIDType) and isinstance(value, bytes) else plain(value)


def partitions_of(rows: pa.Table, spec, schema) -> list[dict]:
    columns = []
    for field in spec.fields:
        source_type = schema.find_type(field.source_id)
        transform = field.transform.transform(source_type)
        values = (value_of(scalar) for scalar in column_by_id(rows, field.source_id))
        columns.append([shown(transform(value), source_type) for value in values])
    names = [field.name for field in spec.fields]
    distinct = {json.dumps(one): dict(zip(names, one)) for one in zip(*columns)} if columns else {"": {}}
    return [distinct[key] for key in sorted(distinct)]


def files_of(table) -> list[dict]:
    snapshot, found = table.current_snapshot(), []
    for manifest in snapshot.manifests(table.io) if snapshot else []:
        spec = table.specs()[manifest.partition_spec_id]
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            # A path holds its percent signs as they are: nothing is to be unquoted.
            rows = parquet.read_table(entry.data_file.file_path.removeprefix("file://"), partitioning=None)
            claimed = {
                field.name: shown(entry.data_file.partition[index], table.schema().find_type(field.source_id))
                for index, field in enumerate(spec.fields)
            }
            computed = partitions_of(rows, spec, table.schema())
            found.append({"spec_id": manifest.partition_spec_id, "rows": rows.num_rows, "claimed": claimed, "computed": computed})
    return found


def main() -> None:
    catalog = SqlCatalog("local", uri=f"sqlite:///{sys.argv[1]}", warehouse="file:///unused")
    tables = [name for namespace in catalog.list_namespaces() for name in catalog.list_tables(namespace)]
    print(json.dumps({name[-1]: files_of(catalog.load_table(name)) for name in tables}))


if __name__ == "__main__":
    main()

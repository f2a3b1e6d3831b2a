"""A foreign engine in the middle of ours: appends rows or changes the schema of a table by PyIceberg.

    foreign_writer.py CATALOG_DB NAMESPACE.TABLE CHANGE

CHANGE is JSON with any of {"append": [{...}], "add": [["name", "type"]], "drop": ["name"], "rename": [["name", "new"]],
"widen": [["name", "type"]], "first": ["name"], "properties": {"name": "value"}, "delete": "filter", "add_files": ["location"],
"tags": [["name", snapshot id, greatest age in ms or null]], "branches": [["name", snapshot id, greatest age in ms or null]],
"append_to": ["branch", [{...}]], "create": [["name", "type"]], "version": 1, "upgrade": 2}; columns are changed in one step, in that order.
A column inside a struct has a dot in its name.
"""

import json
import os
import sys

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.types import DecimalType, DoubleType, IntegerType, LongType, NestedField, StringType, TimestamptzType

TYPES = {
    "decimal(18, 2)": DecimalType(18, 2),
    "double": DoubleType(),
    "int": IntegerType(),
    "long": LongType(),
    "string": StringType(),
    "timestamptz": TimestamptzType(),
}


def path(name: str) -> tuple[str, ...]:
    return tuple(name.split("."))


def main() -> None:
    database, name, change = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    catalog = SqlCatalog("local", uri=f"sqlite:///{database}", warehouse=f"file://{os.path.dirname(database)}/warehouse")
    if change.get("create"):
        fields = [NestedField(index + 1, column, TYPES[kind]) for index, (column, kind) in enumerate(change["create"])]
        catalog.create_namespace_if_not_exists(name.split(".")[0])
        catalog.create_table(name, Schema(*fields), properties={"format-version": str(change["version"])})
    table = catalog.load_table(name)
    if change.get("upgrade"):
        with table.transaction() as transaction:
            transaction.upgrade_table_version(change["upgrade"])
    if change.get("append"):
        table.append(pa.Table.from_pylist(change["append"], schema=schema_to_pyarrow(table.schema(), include_field_ids=False)))
    if any(change.get(kind) for kind in ("add", "drop", "rename", "widen", "first")):
        with table.update_schema() as update:
            for column, kind in change.get("add", []):
                update.add_column(path(column), TYPES[kind])
            for column in change.get("drop", []):
                update.delete_column(path(column))
            for column, name in change.get("rename", []):
                update.rename_column(path(column), name)
            for column, kind in change.get("widen", []):
                update.update_column(path(column), TYPES[kind])
            for column in change.get("first", []):
                update.move_first(path(column))
    if change.get("delete"):
        table.delete(change["delete"])
    if change.get("add_files"):
        table.add_files(change["add_files"])
    if change.get("tags") or change.get("branches"):
        with table.manage_snapshots() as manage:
            for ref, snapshot_id, age_ms in change.get("tags", []):
                manage.create_tag(snapshot_id, ref, max_ref_age_ms=age_ms)
            for ref, snapshot_id, age_ms in change.get("branches", []):
                manage.create_branch(snapshot_id, ref, max_ref_age_ms=age_ms)
    if change.get("append_to"):
        branch, rows = change["append_to"]
        schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
        table.append(pa.Table.from_pylist(rows, schema=schema), branch=branch)
    if change.get("properties"):
        with table.transaction() as transaction:
            transaction.set_properties(change["properties"])


main()

"""A foreign engine in the middle of ours: appends rows or changes the schema of a table by PyIceberg.

    foreign_writer.py CATALOG_DB NAMESPACE.TABLE CHANGE

CHANGE is JSON with any of {"append": [{...}], "add": [["name", "type"]], "drop": ["name"], "rename": [["name", "new"]],
"widen": [["name", "type"]], "first": ["name"], "properties": {"name": "value"}}; columns are changed in one step, in that order. A column
inside a struct has a dot in its name.
"""

import json
import sys

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.types import DecimalType, DoubleType, IntegerType, LongType, StringType, TimestamptzType

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
    table = SqlCatalog("local", uri=f"sqlite:///{database}", warehouse="file:///unused").load_table(name)
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
    if change.get("properties"):
        with table.transaction() as transaction:
            transaction.set_properties(change["properties"])


main()

"""Writes a small Iceberg table by PyIceberg, one column of each type, so that the readers can be tested on a table that
our own writer had no part in.

    write_table.py sqlite CATALOG_DB WAREHOUSE_DIR [--wrong-bounds]
    write_table.py glue ENDPOINT s3://BUCKET/PREFIX [--wrong-bounds]

The table is `db.sample`, of two appends, in a catalog named `sample`. With --wrong-bounds the manifests say that every
`id` is 0, as a faulty writer would: filtered reads then miss rows.
"""

import datetime
import os
import sys
import uuid
from decimal import Decimal

for name in [name for name in os.environ if name.startswith(("AWS_", "PYICEBERG_"))]:
    del os.environ[name]
# A user's ~/.pyiceberg.yaml and ~/.aws must not change what is written.
os.environ["HOME"] = os.path.dirname(os.path.abspath(__file__))

import pyarrow as pa  # noqa: E402
import pyiceberg.io.pyarrow as parquet_writer  # noqa: E402
from pyiceberg.catalog import load_catalog  # noqa: E402
from pyiceberg.conversions import to_bytes  # noqa: E402
from pyiceberg.io.pyarrow import schema_to_pyarrow  # noqa: E402
from pyiceberg.schema import Schema  # noqa: E402
from pyiceberg.types import (  # noqa: E402
    BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, IntegerType, ListType, LongType, MapType,
    NestedField, StringType, StructType, TimestampType, TimestamptzType, TimeType, UUIDType,
)

SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "flag", BooleanType()),
    NestedField(3, "small", IntegerType()),
    NestedField(4, "ratio", FloatType()),
    NestedField(5, "amount", DoubleType()),
    NestedField(6, "price", DecimalType(9, 2)),
    NestedField(7, "day", DateType()),
    NestedField(8, "clock", TimeType()),
    NestedField(9, "wall", TimestampType()),
    NestedField(10, "instant", TimestamptzType()),
    NestedField(11, "name", StringType()),
    NestedField(12, "key", UUIDType()),
    NestedField(13, "raw", BinaryType()),
    NestedField(14, "code", FixedType(3)),
    NestedField(15, "tags", ListType(element_id=16, element_type=StringType(), element_required=False)),
    NestedField(17, "scores", MapType(key_id=18, key_type=StringType(), value_id=19, value_type=IntegerType(), value_required=False)),
    NestedField(20, "device", StructType(NestedField(21, "model", StringType()), NestedField(22, "version", IntegerType()))),
)


def row(number: int) -> dict:
    instant = datetime.datetime(2026, 1, 31, 23, 59, 59, number, tzinfo=datetime.timezone.utc)
    return {
        "id": number,
        "flag": number % 2 == 0,
        "small": -number,
        "ratio": number / 4,
        "amount": number * 0.1,
        "price": Decimal(number * 100 + 50) / 100,
        "day": datetime.date(2026, 1, 1) + datetime.timedelta(days=number),
        "clock": datetime.time(12, 30, 15, number),
        "wall": instant.replace(tzinfo=None),
        "instant": instant,
        "name": f"näme {number}",
        "key": uuid.UUID(int=number).bytes,
        "raw": bytes([number, 255]),
        "code": b"ab" + bytes([48 + number]),
        "tags": ["a", None, "b"][:number],
        "scores": [("z", number), ("a", None)],
        "device": {"model": "m", "version": number},
    }


def empty_row(number: int) -> dict:
    return {field.name: number if field.name == "id" else None for field in SCHEMA.fields}


def claim_wrong_bounds() -> None:
    honest = parquet_writer.DataFileStatistics.to_serialized_dict

    def dishonest(self) -> dict:
        claimed = honest(self)
        zero = to_bytes(LongType(), 0)
        return {**claimed, "lower_bounds": {**claimed["lower_bounds"], 1: zero}, "upper_bounds": {**claimed["upper_bounds"], 1: zero}}

    parquet_writer.DataFileStatistics.to_serialized_dict = dishonest


def open_catalog(kind: str, where: str, warehouse: str):
    if kind == "sqlite":
        return load_catalog("sample", type="sql", uri=f"sqlite:///{where}", warehouse=f"file://{warehouse}")
    access = {
        f"{service}.{name}": value
        for service in ("glue", "s3")
        for name, value in (("endpoint", where), ("region", "us-east-1"), ("access-key-id", "test"), ("secret-access-key", "test"))
    }
    return load_catalog("sample", type="glue", warehouse=warehouse, **access)


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "--wrong-bounds"]
    if len(arguments) < len(sys.argv) - 1:
        claim_wrong_bounds()
    catalog = open_catalog(*arguments)
    catalog.create_namespace_if_not_exists("db")
    table = catalog.create_table("db.sample", SCHEMA)
    for rows in ([row(1), row(2), row(3)], [empty_row(4)]):
        table.append(pa.Table.from_pylist(rows, schema=schema_to_pyarrow(SCHEMA, include_field_ids=False)))
    print(table.metadata_location)


if __name__ == "__main__":
    main()

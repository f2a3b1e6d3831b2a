"""Writes a Parquet file as old engines do: timestamps of 96 bits, on both sides of what 64 bits of nanoseconds can hold.

    int96_file.py FILE

Columns by field id: 1 `id` (long), 2 `seen`; one row a time.
"""

import datetime
import sys

import pyarrow as pa
import pyarrow.parquet as parquet

TIMES = ["0001-01-01T00:00:00", "1969-12-31T23:59:59.999999", "2026-11-21T10:00:00.000001", "9999-12-31T23:59:59.999999"]


def column(name: str, kind: pa.DataType, field_id: int) -> pa.Field:
    return pa.field(name, kind, metadata={"PARQUET:field_id": str(field_id)})


schema = pa.schema([column("id", pa.int64(), 1), column("seen", pa.timestamp("us"), 2)])
times = [datetime.datetime.fromisoformat(time) for time in TIMES]
rows = pa.table([list(range(len(times))), times], schema=schema)
parquet.write_table(rows, sys.argv[1], use_deprecated_int96_timestamps=True)

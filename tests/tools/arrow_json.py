"""Arrow tables to JSON in one canonical way, so that two engines' answers can be compared value by value.

    integers, booleans, text    as they are
    floats                      numbers; "NaN", "Infinity", "-Infinity" as text
    decimals                    text with the column's scale: "12.50"
    dates, times                "2026-01-31", "23:59:59.000001"
    timestamps                  "2026-01-31T23:59:59.000001", with a final "Z" when the type has a time zone
    binary                      lower-case hex
    uuid                        "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
    structs, lists, maps        objects, arrays, arrays of [key, value] sorted by key
"""

import math
import uuid
from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa

FRACTION_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def rows_of(table: pa.Table, uuids: frozenset = frozenset()) -> list[dict]:
    """The rows of `table`, sorted. `uuids` names the top-level columns of 16 bytes that are uuids."""
    columns = []
    for field in table.schema:
        as_uuid = field.name in uuids
        columns.append([_value(one, as_uuid) for one in table.column(field.name)])
    rows = [dict(zip(table.schema.names, values)) for values in zip(*columns)]
    return sorted(rows, key=order)


def order(value) -> tuple:
    """Orders values of unlike types: nulls, booleans, numbers, text, arrays, objects."""
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, (int, float)):
        return (2, value)
    if isinstance(value, str):
        return (3, value)
    if isinstance(value, list):
        return (4, [order(one) for one in value])
    return (5, [(key, order(one)) for key, one in value.items()])


def _value(scalar: pa.Scalar, as_uuid: bool = False):
    if not scalar.is_valid:
        return None
    kind = scalar.type
    if isinstance(scalar, pa.ExtensionScalar):
        return _value(scalar.value, "uuid" in kind.extension_name)
    if pa.types.is_struct(kind):
        return {kind.field(index).name: _value(scalar[index]) for index in range(kind.num_fields)}
    if pa.types.is_map(kind):
        pairs = zip(scalar.values.field(0), scalar.values.field(1))
        return sorted(([_value(key), _value(one)] for key, one in pairs), key=order)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [_value(one) for one in scalar.values]
    if pa.types.is_dictionary(kind):
        return _value(scalar.dictionary[scalar.index.as_py()], as_uuid)
    if pa.types.is_timestamp(kind):
        return _timestamp(scalar.value, kind.unit) + ("Z" if kind.tz else "")
    if pa.types.is_time(kind):
        return _clock(scalar.value, kind.unit)
    if pa.types.is_date32(kind):
        return _day(scalar.value)
    return plain(scalar.as_py(), as_uuid)


def plain(value, as_uuid: bool = False):
    """One Python value, as far as JSON or Arrow have no word for it themselves."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes):
        return str(uuid.UUID(bytes=value)) if as_uuid else value.hex()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"no canonical JSON for a value of type {type(value).__name__}")


def _day(days: int) -> str:
    try:
        return (date(1970, 1, 1) + timedelta(days=days)).isoformat()
    except OverflowError:
        # Beyond the years 1 to 9999, where Python has no dates.
        return f"day {days}"


def _clock(ticks: int, unit: str) -> str:
    digits = FRACTION_DIGITS[unit]
    seconds, fraction = divmod(ticks, 10**digits)
    # Microseconds at least, so that engines which use milliseconds for the same type agree.
    text = str(fraction).rjust(digits, "0").ljust(6, "0") if digits else "000000"
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{text}"


def _timestamp(ticks: int, unit: str) -> str:
    days, rest = divmod(ticks, 86_400 * 10 ** FRACTION_DIGITS[unit])
    return f"{_day(days)}T{_clock(rest, unit)}"

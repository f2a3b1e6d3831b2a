"""A foreign engine that deletes rows by merge-on-read, which PyIceberg can't: delete files beside the data files.

    foreign_deletes.py CATALOG_DB NAMESPACE.TABLE CHANGE

CHANGE is JSON with one of
    {"positions": [id, ...]}    position deletes of the rows with these ids, one delete file for each partition that has some
    {"equality": [id, ...]}     one equality delete file on `id`, in a table without partitions

The Parquet files and their manifest are made by hand by the Iceberg spec ("Row-level Deletes"); PyIceberg commits them.
"""

import json
import sys
import uuid

import pyarrow as pa
import pyarrow.parquet as parquet
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestContent, ManifestWriterV2
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _FastAppendFiles
from pyiceberg.typedef import Record

# Reserved field ids of the spec.
FILE_PATH, POSITION = 2147483546, 2147483545


class DeletesWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class AddDeletes(_FastAppendFiles):
    def new_manifest_writer(self, spec) -> DeletesWriter:
        return DeletesWriter(spec, self.schema(), self.new_manifest_output(), self._snapshot_id, self._compression)


def column(name: str, kind: pa.DataType, field_id: int) -> pa.Field:
    return pa.field(name, kind, nullable=False, metadata={"PARQUET:field_id": str(field_id)})


def put(table, columns: list[tuple[pa.Field, list]], **about) -> DataFile:
    path = f"{table.location()}/data/{uuid.uuid4()}-deletes.parquet"
    rows = pa.table([values for _, values in columns], schema=pa.schema([field for field, _ in columns]))
    with table.io.new_output(path).create() as sink:
        parquet.write_table(rows, sink)
    return DataFile.from_args(
        file_path=path,
        file_format=FileFormat.PARQUET,
        record_count=rows.num_rows,
        file_size_in_bytes=len(table.io.new_input(path)),
        **about,
    )


def position_deletes(table, ids: set[int]) -> list[DataFile]:
    by_partition: dict[str, tuple[Record, list[tuple[str, int]]]] = {}
    for task in table.scan().plan_files():
        with table.io.new_input(task.file.file_path).open() as source:
            found = parquet.read_table(source, columns=["id"]).column("id").to_pylist()
        hits = [(task.file.file_path, position) for position, row_id in enumerate(found) if row_id in ids]
        if hits:
            by_partition.setdefault(str(task.file.partition), (task.file.partition, []))[1].extend(hits)
    files = []
    for partition, hits in by_partition.values():
        hits.sort()
        paths, positions = ([hit[part] for hit in hits] for part in (0, 1))
        columns = [(column("file_path", pa.string(), FILE_PATH), paths), (column("pos", pa.int64(), POSITION), positions)]
        files.append(put(table, columns, content=DataFileContent.POSITION_DELETES, partition=partition))
    return files


def equality_deletes(table, ids: list[int]) -> list[DataFile]:
    field_id = table.schema().find_field("id").field_id
    columns = [(column("id", pa.int64(), field_id), ids)]
    return [put(table, columns, content=DataFileContent.EQUALITY_DELETES, partition=Record(), equality_ids=[field_id])]


def main() -> None:
    database, name, change = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    table = SqlCatalog("local", uri=f"sqlite:///{database}", warehouse="file:///unused").load_table(name)
    files = position_deletes(table, set(change.get("positions", [])))
    if change.get("equality"):
        files += equality_deletes(table, change["equality"])
    for file in files:
        file.spec_id = table.spec().spec_id
    with table.transaction() as transaction:
        with AddDeletes(operation=Operation.DELETE, transaction=transaction, io=table.io) as update:
            for file in files:
                update.append_data_file(file)


main()

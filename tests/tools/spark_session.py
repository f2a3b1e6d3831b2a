"""A Spark SQL session on the tests' AWS endpoint.

    spark_session.py AWS_ENDPOINT

One JSON request a line on standard input; one JSON answer a line on standard output, {"ok": {"columns", "rows"}} or
{"error": text}, values and order as `arrow_json.py` says. Requests:

    {"sql": TEXT}
    {"delete_by_equality": "namespace.name", "columns": [NAME], "condition": SQL}

The second writes what Spark itself never does, an equality delete file, by the Iceberg library that Spark brings: it
deletes the rows that equal, in these columns (integers and text), one of those that the condition keeps.

The first line, before any request, is {"ready": true}. The catalog `lake` is Iceberg on the endpoint's Glue and S3.
Everything ends, and Spark's folder goes, when standard input closes. Runs in `.tools/spark-venv`.
"""

import glob
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import jdks

TOOLS = Path(__file__).resolve().parent.parent.parent / ".tools"
# Newer ones have no security manager any more, which the Hadoop in Spark 4.1 asks for.
JAVA_VARIABLE, JAVA_VERSIONS = "TRIBUTARY_JAVA17", range(17, 24)
REGION, KEY = "us-east-1", "test"


def settings(endpoint: str, scratch: Path) -> dict[str, str]:
    lake = "spark.sql.catalog.lake"
    return {
        "spark.master": "local[2]",
        "spark.jars": ",".join(glob.glob(f"{TOOLS}/spark-jars/*.jar")),
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        # One collector thread and no second compiler: the session is short.
        "spark.driver.extraJavaOptions": f"-Duser.timezone=UTC -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir={scratch} -Dderby.system.home={scratch}",
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": f"file://{scratch}/warehouse",
        "spark.log.level": "ERROR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        # Rows pass through Java's times, whose older kind has another calendar before 1582.
        "spark.sql.datetime.java8API.enabled": "true",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        lake: "org.apache.iceberg.spark.SparkCatalog",
        # Spark would otherwise show for 30 seconds what it saw before another engine's commit.
        f"{lake}.cache-enabled": "false",
        f"{lake}.type": "glue",
        f"{lake}.warehouse": "s3://lake/spark",
        f"{lake}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        f"{lake}.glue.endpoint": endpoint,
        f"{lake}.s3.endpoint": endpoint,
        f"{lake}.s3.path-style-access": "true",
        f"{lake}.s3.access-key-id": KEY,
        f"{lake}.s3.secret-access-key": KEY,
        f"{lake}.client.region": REGION,
    }


def prepare_environment(scratch: Path) -> None:
    """A developer's own AWS and Spark settings must not reach the session."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SPARK_", "PYSPARK_", "HADOOP_"))]:
        del os.environ[name]
    home = jdks.find(JAVA_VERSIONS, JAVA_VARIABLE)
    if home is None:
        sys.exit(f"no Java {JAVA_VERSIONS.start} to {JAVA_VERSIONS.stop - 1} found: set `{JAVA_VARIABLE}` to its folder")
    os.environ.update(
        JAVA_HOME=str(home), HOME=str(scratch), TMPDIR=str(scratch), SPARK_LOCAL_IP="127.0.0.1", AWS_EC2_METADATA_DISABLED="true",
        AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=KEY, AWS_REGION=REGION,
    )
    os.chdir(scratch)


def session(endpoint: str, scratch: Path):
    # Imported here: it reads the environment.
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("tests")
    for name, value in settings(endpoint, scratch).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def answer(spark, request: dict) -> dict:
    try:
        if "delete_by_equality" in request:
            delete_by_equality(spark, request["delete_by_equality"], request["columns"], request["condition"])
            return {"ok": {"columns": [], "rows": []}}
        return {"ok": rows(spark, request["sql"])}
    except Exception as error:  # noqa: BLE001 - whatever Spark raises is the answer
        return {"error": f"{type(error).__name__}: {error}"}


def rows(spark, sql: str) -> dict:
    from arrow_json import rows_of

    frame = spark.sql(sql)
    if not frame.columns:
        return {"columns": [], "rows": []}
    return {"columns": frame.columns, "rows": rows_of(nullable(spark, frame).toArrow())}


def delete_by_equality(spark, name: str, columns: list[str], condition: str) -> None:
    """Commits one file of equality deletes for each partition of the rows, as Flink's upserts do."""
    iceberg = spark._jvm.org.apache.iceberg
    table = iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, f"lake.{name}")
    row_schema = table.schema().select(columns)
    field_ids = spark._sc._gateway.new_array(spark._jvm.int, len(columns))
    for index, column in enumerate(columns):
        field_ids[index] = table.schema().findField(column).fieldId()
    factory = iceberg.data.GenericFileWriterFactory.Builder(table).equalityFieldIds(field_ids).equalityDeleteRowSchema(row_schema).build()
    files = iceberg.io.OutputFileFactory.builderFor(table, 1, 1).build()
    found = spark.sql(f"SELECT DISTINCT {', '.join(columns)} FROM lake.{name} WHERE {condition}")._jdf
    delta = table.newRowDelta()
    for partition, records in by_partition(iceberg, table, java_records(spark, found, row_schema)):
        writer = factory.newEqualityDeleteWriter(files.newOutputFile(table.spec(), partition), table.spec(), partition)
        for record in records:
            writer.write(record)
        writer.close()
        delta.addDeletes(writer.toDeleteFile())
    delta.commit()


def java_records(spark, frame, schema) -> list:
    """The rows as Iceberg's records. Their values never pass through Python, which makes every integer a Java `Integer`."""
    converters = spark._jvm.scala.jdk.javaapi.CollectionConverters
    listed = spark._jvm.java.util.ArrayList()
    for name in frame.columns():
        listed.add(name)
    names = converters.asScala(listed).toSeq()
    empty = spark._jvm.org.apache.iceberg.data.GenericRecord.create(schema)
    return [empty.copy(converters.asJava(row.getValuesMap(names))) for row in frame.collectAsList()]


def by_partition(iceberg, table, records: list) -> list:
    """The records with the partition that they fall into; the columns must have what the partition is made of."""
    if table.spec().isUnpartitioned():
        return [(None, records)]
    groups = {}
    for record in records:
        key = iceberg.PartitionKey(table.spec(), record.struct().asSchema())
        key.partition(iceberg.data.InternalRecordWrapper(record.struct()).wrap(record))
        groups.setdefault(key.toPath(), (key, []))[1].append(record)
    return list(groups.values())


def nullable(spark, frame):
    """The same rows, with nothing required: PySpark 4.1 fails on a NULL struct in a list or map, if the struct has a required field."""
    from pyspark.sql import DataFrame

    java = frame._jdf
    return DataFrame(spark._jsparkSession.createDataFrame(java.rdd(), java.schema().asNullable()), spark)


def main() -> None:
    # A library that prints must not get between the answers: only `replies` reaches the pipe.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    scratch = Path(tempfile.mkdtemp(prefix="tributary-spark-"))
    try:
        prepare_environment(scratch)
        spark = session(sys.argv[1], scratch)
        spark.sql("SELECT 1").collect()
        print(json.dumps({"ready": True}), file=replies, flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(spark, json.loads(line))), file=replies, flush=True)
    finally:
        os.chdir("/")
        shutil.rmtree(scratch, ignore_errors=True)
    # At once: the JVM ends with this process, and stopping Spark properly takes seconds.
    os._exit(0)


if __name__ == "__main__":
    main()

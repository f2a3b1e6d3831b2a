"""One racer of the test that no update of a Glue table is lost.

    race_glue.py ENDPOINT DATABASE TABLE INCREMENTS

Prints `ready` and waits for a line on standard input, so that all racers start together. Then adds 1 to the table
parameter `count`, INCREMENTS times, each by GetTable and an UpdateTable that names the version read, tried again on a
conflict. Prints how many conflicts it met.
"""

import sys

import boto3

endpoint, database, name, increments = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
glue = boto3.client("glue", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
# Enough for every other racer to win each round; more would mean that nobody makes progress.
ATTEMPTS_MAX = 1000

print("ready", flush=True)
if not sys.stdin.readline():
    sys.exit("nobody said when to start")

conflicts = 0
for _ in range(increments):
    for attempt in range(ATTEMPTS_MAX):
        table = glue.get_table(DatabaseName=database, Name=name)["Table"]
        count = str(int(table["Parameters"]["count"]) + 1)
        try:
            changed = {"Name": name, "Parameters": {"count": count}, "StorageDescriptor": {"Columns": []}}
            glue.update_table(DatabaseName=database, TableInput=changed, VersionId=table["VersionId"], SkipArchive=True)
            break
        except glue.exceptions.ConcurrentModificationException:
            conflicts += 1
    else:
        sys.exit(f"no update went through in {ATTEMPTS_MAX} attempts")
print(conflicts)

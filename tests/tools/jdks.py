"""Finds a Java of the right age: each of the JVM programs that the tests start wants another one.

Looked at in this order: the variable that names one for this purpose, `JAVA_HOME`, `java` on the path, then what Debian
and SDKMAN install.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

INSTALLED = ("/usr/lib/jvm", "~/.sdkman/candidates/java")


def version_of(java: str | Path) -> int:
    """The major version of a `java` program; 0 when it can't be run."""
    try:
        answer = subprocess.run([str(java), "-version"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError:
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(found.group(1)) if found else 0


def find(versions: range, variable: str, program: str = "java") -> Path | None:
    """The folder of the first Java whose major version is one of `versions` and which has `program`."""
    for home in homes(variable):
        if (home / "bin" / program).is_file() and version_of(home / "bin" / "java") in versions:
            return home
    return None


def homes(variable: str) -> list[Path]:
    named = [Path(os.environ[name]) for name in (variable, "JAVA_HOME") if os.environ.get(name)]
    on_path = shutil.which("java")
    if on_path is not None:
        named.append(Path(on_path).resolve().parent.parent)
    installed = [home for folder in INSTALLED for home in sorted(Path(folder).expanduser().glob("*")) if home.is_dir()]
    return named + installed

"""Runs a program that must not outlive the test that started it, and which can't watch its standard input by itself.

    run_child.py SCRATCH_DIR COMMAND [ARGUMENT...]

When standard input closes (the test is done, or was killed), the program is killed; when the program ends by itself, so
does this. In both cases SCRATCH_DIR is removed. The program's own standard input is empty.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading


def main() -> int:
    scratch, command = sys.argv[1], sys.argv[2:]
    # An interrupt at the terminal reaches the whole process group; the end of standard input follows it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: child.kill())
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end_with_parent() -> None:
        # Read below Python's buffers, whose lock would stop this process from ending.
        while os.read(0, 4096):
            pass
        child.kill()

    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        return child.wait()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code if 0 <= code < 256 else 1)

"""Run each contender of a benchmark in a process with its own threads and peak memory."""

import json
import subprocess
import sys


class Contender:
    """Process of a script that measures something for each line of its standard input.

    The process answers each line with a line of JSON.

    Args:
        script: path of the script.
        arguments: command-line arguments with which the script runs as a contender.
    """

    def __init__(self, script: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, request: str) -> dict:
        """Send a request, and return the answer."""
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        # Libraries write to stdout, too.
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit("a contender ended before its time")

    def __enter__(self) -> "Contender":
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait()

"""A process of a bench's own, so that each contender has its threads and its peak memory alone."""

import json
import subprocess
import sys


class Contender:
    """A script, started as a contender, that does what it is asked to.

    It reads one line for each question, and answers with a line of JSON.

    Args:
        script: file to run.
        arguments: that make it a contender, as for a command line.
    """

    def __init__(self, script: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, script, *map(str, arguments)],
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True},
        )

    def ask(self, what: str) -> dict:
        self._process.stdin.write(what + "\n")
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

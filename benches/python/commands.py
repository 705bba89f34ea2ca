"""How a peer is driven: commands on stdin, one a line, fields separated by tabs.

Each is answered with one line on stdout: `ok` and its results, or `error` and what went wrong.
"""

import sys


def serve(peer):
    """Calls the method of `peer` that each command names, until stdin ends."""
    for line in sys.stdin:
        command, *fields = line.rstrip("\n").split("\t")
        try:
            answer = f"ok\t{getattr(peer, command)(*fields)}"
        except Exception as error:
            answer = f"error\t{type(error).__name__}: {error}".replace("\n", " ")
        print(answer, flush=True)

"""A store of objects on this machine: HTTP, and as much of S3's language as one file needs. It counts what it is asked,
and waits as it is told."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
import time


class Store:
    """A server with objects, by their paths (``/bucket/key``)."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        # Method, first byte and number of bytes of each request.
        self.requests: list[tuple[str, int, int]] = []
        # Headers of all requests: what must be in no error.
        self.credentials: set[str] = set()
        self.delay = 0.0
        # Requests of bytes from here on get no answer until `stalled` is None again.
        self.stalled: int | None = None
        self.waiting = 0
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                store._get(self)

            do_HEAD = do_GET

            def do_PUT(self) -> None:
                store._put(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.stalled = None
        self.server.shutdown()
        self.server.server_close()

    def put(self, path: str, data: bytes) -> str:
        """Puts an object there, and returns its URL for HTTP."""
        self.objects[path] = data
        return self.endpoint + path

    def taken(self) -> list[tuple[str, int, int]]:
        """What it was asked since this was called the last time."""
        taken, self.requests = self.requests, []
        return taken

    def _answer(self, handler: http.server.BaseHTTPRequestHandler, status: int, data: bytes = b"", **headers: str) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if handler.command != "HEAD":
            try:
                handler.wfile.write(data)
            except OSError:
                # Who was to have it no longer waits.
                handler.close_connection = True

    def _get(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.credentials.update(handler.headers.get_all("Authorization", []))
        # Some clients name the operation in a query.
        found = self.objects.get(handler.path.partition("?")[0])
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
        size = len(found or b"")
        first, last = (int(asked[1]), int(asked[2])) if asked else (0, size - 1)
        data = (found or b"")[first : last + 1]
        self.requests.append((handler.command, first, len(data)))
        time.sleep(self.delay)
        self.waiting += 1
        while self.stalled is not None and first >= self.stalled:
            time.sleep(0.01)
        self.waiting -= 1
        if found is None:
            # As a server does that repeats what it was asked.
            said = f"<Error><Code>NoSuchKey</Code><Key>{handler.headers.get('Authorization')}</Key></Error>"
            self._answer(handler, 404, said.encode())
            return
        tag = f'"{hashlib.md5(found).hexdigest()}"'
        if handler.headers.get("If-Match", tag) != tag:
            self._answer(handler, 412)
            return
        about = {"ETag": tag, "Last_Modified": "Sun, 01 Nov 2026 00:00:00 GMT"}
        if asked:
            about["Content_Range"] = f"bytes {first}-{first + len(data) - 1}/{size}"
        self._answer(handler, 206 if asked else 200, data, **about)

    def _put(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        data = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.requests.append(("PUT", 0, len(data)))
        if handler.headers.get("If-None-Match") == "*" and handler.path in self.objects:
            self._answer(handler, 412)
            return
        self.objects[handler.path] = data
        self._answer(handler, 200, ETag=f'"{hashlib.md5(data).hexdigest()}"')

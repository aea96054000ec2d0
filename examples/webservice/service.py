"""A web service that says who it is, of the standard library alone."""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        document = {
            "path": self.path,
            "uid": os.getuid(),
            "python": sys.version.split()[0],
            "compiled": os.path.exists(__spec__.cached),
        }
        body = json.dumps(document).encode()
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    ThreadingHTTPServer(("", 8080), Handler).serve_forever()

"""A web app. Its directory is /app, read-only; what shall stay is in /data."""
import pathlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

visits = pathlib.Path("/data/visits")
one_at_a_time = threading.Lock()


def visit():
    with one_at_a_time:
        count = int(visits.read_text()) + 1 if visits.exists() else 1
        visits.write_text(f"{count}\n")
    return count


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/":
            self.send_error(404)
            return
        body = f"Hello from goblin. You are visitor {visit()}.\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("0.0.0.0", 8080), Handler)
print("listening on port 8080", flush=True)
server.serve_forever()

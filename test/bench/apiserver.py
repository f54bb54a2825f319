#!/usr/bin/env python3
"""As much of a Kubernetes API server as an agent needs, for clusters that take a real one a quarter of
an hour: that one is in test/kubernetes.

  apiserver.py COUNT CERTIFICATE KEY   at 127.0.0.1:6443, with Nodes "host0" (172.16.5.126) to COUNT - 1

Takes lines from standard input, and says "done" to each:
  beat N SECONDS   N Nodes report that they live, evenly over that time
  move NETWORK     the last Node gets another pod network
"""

import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

NODE = {
    "apiVersion": "v1", "kind": "Node",
    "metadata": {"name": "@NAME", "resourceVersion": "8"},
    "spec": {"podCIDR": "@NETWORK", "podCIDRs": ["@NETWORK"]},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "@ADDRESS"}, {"type": "Hostname", "address": "@NAME"}],
        "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "@TIME"}],
        # The most that a kubelet lists: they make up most of a Node.
        "images": [{"names": [f"registry.example/some-group/a-service-of-ours-{i}@sha256:{i:064x}",
                              f"registry.example/some-group/a-service-of-ours-{i}:v1.20.{i}"],
                    "sizeBytes": 30_000_000 + i * 4321} for i in range(50)],
    },
}
PATTERN = json.dumps(NODE)


def node(number, network=None, beat=0):
    place = f"{number // 256}.{number % 256}"
    return (PATTERN.replace("@NAME", f"host{number}")
            .replace("@ADDRESS", f"172.18.{place}" if number else "172.16.5.126")
            .replace("@NETWORK", network or f"10.{64 + number // 256}.{number % 256}.0/24")
            .replace("@TIME", f"2024-02-29T12:{beat // 60 % 60:02}:{beat % 60:02}Z"))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, count, certificate, key):
        super().__init__(("127.0.0.1", 6443), Handler)
        self.count = count
        self.watchers = []
        self.lock = threading.Lock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def page(self, first, limit):
        last = min(first + limit, self.count)
        more = str(last) if last < self.count else ""
        items = ",".join(node(number) for number in range(first, last))
        return '{"kind": "NodeList", "metadata": {"resourceVersion": "7", "continue": "%s"}, "items": [%s]}' % (more, items)

    def tell(self, text):
        """To all who watch."""
        with self.lock:
            for stream in self.watchers:
                stream.write((f'{{"type": "MODIFIED", "object": {text}}}\n').encode())
                stream.flush()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def begin(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()

    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        self.begin()
        if "watch" not in asked:
            page = self.server.page(int(asked.get("continue", ["0"])[0]), int(asked["limit"][0]))
            self.wfile.write(page.encode())
            return
        self.wfile.flush()
        with self.server.lock:
            self.server.watchers.append(self.wfile)
        threading.Event().wait()  # as long as this program lives

    def do_PATCH(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.begin()
        self.wfile.write(b"{}")


def main(count, certificate, key):
    server = Server(int(count), certificate, key)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("done", flush=True)
    for turn, line in enumerate(sys.stdin, 1):
        what, *words = line.split()
        if what == "move":
            server.tell(node(server.count - 1, words[0], turn))
        else:
            beats, seconds = int(words[0]), float(words[1])
            begin = time.monotonic()
            for beat in range(beats):
                server.tell(node(beat % (server.count - 2) + 1, beat=turn * 60 + beat // server.count))
                time.sleep(max(0, begin + seconds * (beat + 1) / beats - time.monotonic()))
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

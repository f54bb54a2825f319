#!/usr/bin/env python3
"""As much of a Kubernetes API server as an agent needs, for clusters that take a real one a quarter of
an hour: that one is in test/kubernetes.

  apiserver.py COUNT CERTIFICATE KEY   at 127.0.0.1:6443, with the Nodes "host0", which has the
                                       address 172.16.5.126, and COUNT - 1 more

Takes lines from standard input, and says "done" to each:
  beat N SECONDS   N of the other Nodes report that they live, evenly over that time
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
    "metadata": {"name": "@NAME", "resourceVersion": "@VERSION"},
    "spec": {"podCIDR": "@NETWORK", "podCIDRs": ["@NETWORK"]},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "@ADDRESS"}, {"type": "Hostname", "address": "@NAME"}],
        "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "@TIME"}],
        # As many as a kubelet lists: they make up most of a Node.
        "images": [{"names": [f"registry.example/some-group/a-service-of-ours-{i}@sha256:{i:064x}",
                              f"registry.example/some-group/a-service-of-ours-{i}:v1.20.{i}"],
                    "sizeBytes": 30_000_000 + i * 4321} for i in range(50)],
    },
}
PATTERN = json.dumps(NODE)


def node(number, version=7, network=None):
    place = f"{number // 256}.{number % 256}"
    return (PATTERN.replace("@NAME", f"host{number}")
            .replace("@ADDRESS", f"172.18.{place}" if number else "172.16.5.126")
            .replace("@NETWORK", network or f"10.{64 + number // 256}.{number % 256}.0/24")
            .replace("@TIME", f"2024-02-29T{version // 3600 % 24:02}:{version // 60 % 60:02}:{version % 60:02}Z")
            .replace("@VERSION", str(version)))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, count, certificate, key):
        super().__init__(("127.0.0.1", 6443), Handler)
        self.count = count
        self.version = 7
        self.own = node(0)  # the only one that is written to
        self.watchers = []
        self.lock = threading.Lock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def page(self, first, limit):
        last = min(first + limit, self.count)
        more = str(last) if last < self.count else ""
        items = ",".join(node(number) if number else self.own for number in range(first, last))
        return f'{{"kind": "NodeList", "metadata": {{"resourceVersion": "7", "continue": "{more}"}}, "items": [{items}]}}'

    def tell(self, make):
        """To all who watch: the Node that is made for the next version."""
        with self.lock:
            self.version += 1
            line = f'{{"type": "MODIFIED", "object": {make(self.version)}}}\n'.encode()
            for stream in list(self.watchers):
                try:
                    stream.write(line)
                except OSError:  # it has gone
                    self.watchers.remove(stream)

    def patch_own(self, changes):
        """As a strategic merge patch of annotations and conditions."""
        def changed(version):
            own = json.loads(self.own)
            own["metadata"]["resourceVersion"] = str(version)
            own["metadata"].setdefault("annotations", {}).update(changes.get("metadata", {}).get("annotations", {}))
            conditions = {one["type"]: one for one in own["status"]["conditions"]}
            for one in changes.get("status", {}).get("conditions", []):
                conditions[one["type"]] = {**conditions.get(one["type"], {}), **one}
            own["status"]["conditions"] = list(conditions.values())
            self.own = json.dumps(own)
            return self.own

        self.tell(changed)
        return self.own


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def begin(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()

    def do_GET(self):
        asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        if "watch" not in asked:
            page = self.server.page(int(asked.get("continue", 0)), int(asked.get("limit", self.server.count)))
            self.begin()
            self.wfile.write(page.encode())
            return
        self.begin()
        with self.server.lock:
            self.server.watchers.append(self.wfile)
        time.sleep(int(asked["timeoutSeconds"]))
        with self.server.lock:
            if self.wfile in self.server.watchers:
                self.server.watchers.remove(self.wfile)

    def do_PATCH(self):
        changes = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        own = self.server.patch_own(changes)
        self.begin()
        self.wfile.write(own.encode())


def main(count, certificate, key):
    server = Server(int(count), certificate, key)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("done", flush=True)
    for line in sys.stdin:
        what, *words = line.split()
        if what == "move":
            server.tell(lambda version: node(server.count - 1, version, words[0]))
        else:
            beats, seconds = int(words[0]), float(words[1])
            begin = time.monotonic()
            for beat in range(beats):
                server.tell(lambda version: node(beat % (server.count - 2) + 1, version))
                time.sleep(max(0, begin + seconds * (beat + 1) / beats - time.monotonic()))
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

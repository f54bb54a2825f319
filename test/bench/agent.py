"""The agent where there are many nodes, on a kernel with ipip."""

import json
import os
import select
import signal
import subprocess
import time

from runs import PROGRAMS, Failed, entered
from tunnels import nodes_file, prepare

PATIENCE = 600  # seconds
IDLE = 60  # seconds, two of its periodic looks


def replace(path, change):
    with open(path) as file:
        document = json.load(file)
    change(document["nodes"])
    with open(path + ".new", "w") as file:
        json.dump(document, file)
    os.rename(path + ".new", path)


def status(process):
    with open(f"/proc/{process}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file)


def processor(process):
    """Milliseconds so far."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_ready(host):
    words = entered(host, ["curl", "-sf", "-o", "/dev/null", "http://127.0.0.1:9411/readyz"])[1]
    return subprocess.run(words, check=False).returncode == 0


def await_route(monitor, network):
    """Milliseconds until the kernel says that it is there."""
    begin = time.perf_counter()
    while select.select([monitor], [], [], PATIENCE)[0]:
        if os.read(monitor.fileno(), 1 << 16).decode().count(network):
            return 1000 * (time.perf_counter() - begin)
    raise Failed(f"no route to {network}")


def measure(nodes, rounds):
    host = "agent"
    prepare(host)
    path = nodes_file(nodes)
    options = ["--nodes-file", path, "--node-name", "host0", "--listen", "127.0.0.1:9411"]
    for name in ["program-dir", "state-dir", "cni-bin-dir", "cni-conf-dir", "etc-dir"]:
        options += [f"--{name}", PROGRAMS if name == "program-dir" else f"/run/agent/{name}"]
    monitor = None
    begin = time.perf_counter()
    with open("/run/agent.log", "w") as log:
        agent = subprocess.Popen(entered(host, [f"{PROGRAMS}/ipipd", *options])[1], stderr=log, stdout=log)
    try:
        while not is_ready(host):
            if agent.poll() is not None or time.perf_counter() - begin > PATIENCE:
                with open("/run/agent.log") as log:
                    raise Failed("ipipd: " + log.read()[-2000:])
            time.sleep(0.02)
        ready = time.perf_counter() - begin
        time.sleep(10)  # it looks again at what it has made
        before = processor(agent.pid)
        time.sleep(IDLE)
        idle = (processor(agent.pid) - before) / IDLE
        monitor = subprocess.Popen(entered(host, ["ip", "-o", "monitor", "route"])[1], stdout=subprocess.PIPE)
        time.sleep(1)
        times = []
        for turn in range(rounds):
            network = f"10.200.{turn}.0/24"
            replace(path, lambda nodes: nodes[-1].update(podCIDRs=[network]))
            times.append(await_route(monitor.stdout, network))
        return {"nodes": nodes, "ready": ready, "idle": idle, "route": sorted(times)[rounds // 2],
                "memory": int(status(agent.pid)["VmHWM"].split()[0]) / 1024}
    finally:
        if monitor:
            monitor.terminate()
        agent.send_signal(signal.SIGTERM)
        agent.wait()

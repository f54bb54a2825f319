"""The agent in a cluster of thousands, on a kernel with ipip."""

import glob
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import apiserver
from runs import HERE, PROGRAMS, Failed, entered, netlink_messages, sh
from tunnels import prepare

HOST = "agent"
FOLDER = "/run/agent"
# Seconds.
PATIENCE = 600
PERIOD = 60  # two of its periodic looks
HEARTBEAT_EVERY = 300  # a kubelet writes its Node where nothing changes
SETTLE = 10  # after which it has looked again at what it has made, or heard what it was told

BEATS = 250  # at once


def status(process):
    """Of a process, or of one of its threads."""
    with open(f"/proc/{process}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file)


def memory(process, what):
    """MiB."""
    return int(status(process)[what].split()[0]) / 1024


def processor(process):
    """Milliseconds so far."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(words, **how):
    return subprocess.Popen(entered(HOST, words)[1], text=True, **how)


def await_it(condition, what, pause=0.02):
    """Seconds that it took."""
    begin = time.perf_counter()
    while not condition():
        if time.perf_counter() - begin > PATIENCE:
            raise Failed(f"waited {PATIENCE} s for {what}")
        time.sleep(pause)
    return time.perf_counter() - begin


class Cluster:
    """Its API server."""

    def __init__(self, nodes):
        self.ca, self.key = f"{FOLDER}/ca.pem", f"{FOLDER}/key.pem"
        sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
           "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.ca)
        self.process = start([sys.executable, f"{HERE}/apiserver.py", str(nodes), self.ca, self.key],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.await_done()

    def await_done(self):
        if self.process.stdout.readline() != "done\n":
            raise Failed("apiserver.py has ended")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def do(self, line):
        self.ask(line)
        self.await_done()

    def kubeconfig(self):
        path = f"{FOLDER}/kubeconfig"
        with open(path, "w") as file:
            json.dump({
                "current-context": "bench",
                "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
                "clusters": [{"name": "bench",
                              "cluster": {"server": "https://127.0.0.1:6443", "certificate-authority": self.ca}}],
                "users": [{"name": "bench", "user": {"token": "bench"}}],
            }, file)
        return path

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Agent:
    def __init__(self, *options):
        for name in ["program-dir", "state-dir", "cni-bin-dir", "cni-conf-dir", "etc-dir"]:
            options += (f"--{name}", PROGRAMS if name == "program-dir" else f"{FOLDER}/{name}")
        with open(f"{FOLDER}/log", "w") as log:
            self.process = start([f"{PROGRAMS}/ipipd", "--node-name", "host0", "--listen", "127.0.0.1:9411", *options],
                                 stderr=log, stdout=log)
        self.pid = self.process.pid

    def page(self, name):
        done = subprocess.run(entered(HOST, ["curl", "-sf", f"http://127.0.0.1:9411/{name}"])[1], check=False,
                              capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else None

    def is_ready(self):
        if self.process.poll() is not None:
            with open(f"{FOLDER}/log") as log:
                raise Failed("ipipd: " + log.read()[-2000:])
        return self.page("readyz") is not None

    def metric(self, name):
        """0 of what has not happened yet."""
        lines = [line.split() for line in (self.page("metrics") or "").splitlines()]
        if not lines:
            raise Failed("the agent tells no metrics")
        return next((float(line[1]) for line in lines if line[0] == name), 0)

    def load(self, seconds, meanwhile=lambda: None):
        """Milliseconds of processor time a second."""
        before, begin = processor(self.pid), time.perf_counter()
        meanwhile()
        time.sleep(max(0, begin + seconds - time.perf_counter()))
        return (processor(self.pid) - before) / (time.perf_counter() - begin)

    def messages(self, act):
        """How many it sends to the kernel meanwhile."""
        with tempfile.NamedTemporaryFile("r") as trace:
            tracer = subprocess.Popen(["strace", "-f", "-qq", "-v", "-e", "trace=sendmsg,sendto", "-p", str(self.pid),
                                       "-o", trace.name])
            try:
                await_it(lambda: all(int(status(thread.removeprefix("/proc/"))["TracerPid"]) == tracer.pid
                                     for thread in glob.glob(f"/proc/{self.pid}/task/*")), "strace")
                act()
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.wait()
            return sum(map(netlink_messages, trace))

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def await_route(monitor, network):
    """Until the kernel says that it is there."""
    text = ""
    while network not in text:
        heard = select.select([monitor], [], [], PATIENCE)[0] and os.read(monitor.fileno(), 1 << 16)
        if not heard:
            raise Failed(f"no route to {network}")
        text = (text + heard.decode())[-(1 << 17):]


def from_event_to_route(cluster, rounds):
    """Milliseconds."""
    monitor = start(["ip", "-o", "monitor", "route"], stdout=subprocess.PIPE)
    try:
        times = []
        for turn in range(rounds):
            time.sleep(SETTLE)
            network = f"10.200.{turn}.0/24"
            begin = time.perf_counter()
            cluster.ask(f"move {network}")
            await_route(monitor.stdout, network)
            times.append(1000 * (time.perf_counter() - begin))
            cluster.await_done()
        return statistics.median(times)
    finally:
        monitor.terminate()
        monitor.wait()


def messages_of_heartbeats(cluster, agent):
    """Between two of its looks."""
    def move():
        cluster.do("move 10.201.0.0/24")
        time.sleep(SETTLE)

    def beat():
        cluster.do(f"beat {BEATS} 0")
        time.sleep(SETTLE)

    if agent.messages(move) == 0:
        raise Failed("strace shows no netlink messages of the agent's, which made a route")

    def heard():
        return agent.metric("ipip_kube_events_total")

    def looks():
        return agent.metric("ipip_reconcile_seconds_count")

    for _ in range(5):
        before = looks()
        await_it(lambda: looks() > before, "its periodic look", 0.5)
        before = looks(), heard()  # the metrics are a question to the kernel as well
        messages = agent.messages(beat)
        if (looks(), heard()) == (before[0], before[1] + BEATS):
            return messages
    raise Failed(f"not {BEATS} heartbeats between two looks of the agent")


def measure(nodes, rounds):
    prepare(HOST)
    os.makedirs(FOLDER)
    cluster = agent = None
    try:
        cluster = Cluster(nodes)
        agent = Agent("--kubeconfig", cluster.kubeconfig())
        found = {"nodes": nodes, "size": len(apiserver.node(1)), "beats": BEATS}
        found["ready"] = await_it(agent.is_ready, "the agent", 1)  # to ask more often takes time of the only processor
        found["to be ready"] = processor(agent.pid) / 1000
        time.sleep(SETTLE)
        found["idle"] = agent.load(PERIOD)
        beats = nodes * PERIOD // HEARTBEAT_EVERY
        found["beating"] = agent.load(PERIOD, lambda: cluster.do(f"beat {beats} {PERIOD}"))
        found["resident"] = memory(agent.pid, "VmRSS")
        found["route"] = from_event_to_route(cluster, rounds)
        found["memory"] = memory(agent.pid, "VmHWM")
        found["messages"] = messages_of_heartbeats(cluster, agent)
        return found
    finally:
        if agent:
            agent.end()
        if cluster:
            cluster.end()

"""The mesh, on a kernel with ipip: what it takes to make, keep, change and remove one, against the
fewest netlink messages that make the same devices; and a pod's ADD where there are many nodes."""

import json
import time

from plugins import ours
from pods import counts_by_verb, documents, figures_by_verb, pair, questions
from runs import PROGRAMS, Run, Sample, connect, counts, entered, interleaved, ip, sh

FLOORS = {"pairs": "mesh", "shared": "shared"}  # by topology
SETTLE = 0.5  # seconds: the kernel goes on deleting for a while


def prepare(host):
    """A host of its own."""
    ip(f"netns add {host}")
    connect(host)


def run(host, program, *words):
    """A program that tells how long it took, process start left out."""
    return Run(float(sh(*entered(host, [f"{PROGRAMS}/{program}", *map(str, words)])[1])), 0, 0)


def kernel_memory():
    """KiB of the kernel's own."""
    fields = dict(line.split(":") for line in open("/proc/meminfo"))
    return sum(int(fields[key].split()[0]) for key in ["Slab", "Percpu", "KernelStack"])


def by_size(host, topology, peers, times):
    """Medians by what is done, and the kernel's memory for each peer, KiB."""
    samples = {}
    memory = []

    def add(name, run):
        samples.setdefault(name, Sample()).add(run)

    def floor():
        add("floor make", run(host, "bench_floor", FLOORS[topology], peers, "172.16.5.126", "10.63.0.1"))
        if topology == "pairs":
            add("floor group", run(host, "bench_floor", "mesh-group", peers))
        add("floor remove", run(host, "bench_floor", "mesh-delete"))

    def plugin():
        before = kernel_memory()
        for what in ["make", "again", "change", "clear"]:
            add(what, run(host, "bench_mesh", what, topology, peers))
            if what == "make":
                memory.append((kernel_memory() - before) / peers)
            if what == "again":
                add("floor look", run(host, "bench_floor", "look", peers))

    for turn in range(times):
        for part in [floor, plugin] if turn % 2 == 0 else [plugin, floor]:
            time.sleep(SETTLE)
            part()
    # Before the last time, what the kernel keeps in reserve is filled.
    return {**{name: sample.median for name, sample in samples.items()}, "memory": memory[-1],
            "messages": messages(host, topology, peers)}


def messages(host, topology, peers):
    """How many each step sends to the kernel."""
    def of(program, *words):
        return counts([f"{PROGRAMS}/{program}", *map(str, words)], space=host)[1]

    sent = {}
    sent["floor make"] = of("bench_floor", FLOORS[topology], peers, "172.16.5.126", "10.63.0.1")
    sent["floor look"] = of("bench_floor", "look", peers)
    sent["floor remove"] = of("bench_floor", "mesh-delete")
    for what in ["make", "again", "change", "clear"]:
        sent[what] = of("bench_mesh", what, topology, peers)
    return sent


def nodes_file(count):
    """With this host the first of them."""
    def node(number):
        place = f"{number // 256}.{number % 256}"
        return {"name": f"host{number}", "addresses": [f"172.18.{place}" if number else "172.16.5.126"],
                "podCIDRs": [f"10.{64 + number // 256}.{number % 256}.0/24"]}

    path = f"/run/nodes-{count}.json"
    with open(path, "w") as file:
        json.dump({"nodes": [node(number) for number in range(count)]}, file)
    return path


def with_nodes(steps, times):
    """All verbs by how many nodes the file has, each on a host of its own."""
    ip("netns add p0")
    pairs, asked, numbers, plugins = [], [], {}, []
    for step in steps:
        host = f"nodes{step}"
        prepare(host)
        plugin = ours(host, host=host, nodes=nodes_file(step), stateDir=f"/run/state-{step}")
        ip(f"netns add keep{step}")
        here = documents(plugin, plugin.result("keep", f"keep{step}"))
        pairs.append(pair(plugin))
        asked += questions(plugin, here, f"keep{step}")
        numbers[step] = counts_by_verb(plugin, here, "p0", f"keep{step}")
        plugins.append(plugin)
    # Apart: a CHECK of thousands leaves cold caches behind.
    samples = {**interleaved(times, pairs), **interleaved(times, asked)}
    for step, plugin in zip(steps, plugins):
        plugin.call("DEL", "keep", f"keep{step}")
    return {step: figures_by_verb(plugin, samples, numbers[step]) for step, plugin in zip(steps, plugins)}


def measure(size):
    prepare("mesh")
    return {
        "mesh": {topology: {peers: by_size("mesh", topology, peers, times) for peers, times in size["peers"].items()}
                 for topology in FLOORS},
        "by nodes": with_nodes(size["nodes"], size["few"]),
    }

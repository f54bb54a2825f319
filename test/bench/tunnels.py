"""The mesh, on a kernel with ipip: what it takes to make, keep, change and remove one, against the
fewest netlink messages that make the same devices; and a pod's ADD where there are many nodes."""

import json
import subprocess
import time

from plugins import ours
from pods import pair, verb
from runs import PROGRAMS, Run, Sample, connect, entered, interleaved, ip, sh

SETTLE = 0.5  # seconds: the kernel goes on deleting for a while


def prepare(host):
    """A host of its own."""
    ip(f"netns add {host}")
    connect(host)


def mesh(host, what, peers):
    words = entered(host, [f"{PROGRAMS}/bench_mesh", what, str(peers)])[1]
    return Run(float(sh(*words)), 0, 0)


def floor(host, *words):
    """Its process start is left out, as it is of ours: that of one that does nothing."""

    def wall(*arguments):
        begin = time.perf_counter()
        subprocess.run(entered(host, [f"{PROGRAMS}/bench_floor", *arguments])[1], check=True)
        return 1000 * (time.perf_counter() - begin)

    return Run(max(0.0, wall(*words) - wall("nothing")), 0, 0)


def kernel_memory():
    """KiB of the kernel's own."""
    fields = dict(line.split(":") for line in open("/proc/meminfo"))
    return sum(int(fields[key].split()[0]) for key in ["Slab", "Percpu", "KernelStack"])


def by_size(host, peers, times):
    """Medians by what is done, and the kernel's memory for each peer, KiB."""
    samples = {}

    def add(name, run):
        samples.setdefault(name, Sample()).add(run)

    memory = 0.0
    for _ in range(times):
        time.sleep(SETTLE)
        before = kernel_memory()
        add("floor make", floor(host, "mesh", str(peers), "172.16.5.126", "10.63.0.1"))
        memory = max(memory, (kernel_memory() - before) / peers)
        add("floor remove", floor(host, "mesh-delete"))
        time.sleep(SETTLE)
        for what in ["make", "again", "change", "clear"]:
            add(what, mesh(host, what, peers))
    return {**{name: sample.median for name, sample in samples.items()}, "memory": memory}


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
    """ADD, DEL and STATUS by how many nodes the file has, each on a host of its own."""
    ip("netns add p0")
    subjects = []
    plugins = []
    for step in steps:
        host = f"nodes{step}"
        prepare(host)
        plugin = ours(host, host=host, nodes=nodes_file(step), stateDir=f"/run/state-{step}")
        ip(f"netns add keep{step}")
        plugin.call("ADD", "keep", f"keep{step}")
        subjects += [pair(plugin), verb(plugin, "VERSION"),
                     verb(plugin, "STATUS", dict(plugin.config, cniVersion="1.1.0"))]
        plugins.append(plugin)
    samples = interleaved(times, subjects)
    for step, plugin in zip(steps, plugins):
        plugin.call("DEL", "keep", f"keep{step}")
    return {step: {what: samples[f"nodes{step} {what}"].figures() for what in ["ADD", "DEL", "STATUS", "VERSION"]}
            for step in steps}


def measure(size):
    prepare("mesh")
    return {
        "mesh": {peers: by_size("mesh", peers, size["rounds"]) for peers in size["peers"]},
        "with nodes": with_nodes(size["nodes"], size["few"]),
    }

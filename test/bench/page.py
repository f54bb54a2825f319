"""What the benchmark found, as a page with its plots; and the targets."""

import os
import statistics

import dataplane
from report import Target, at_least, at_most, none_of, number, plot, table

SHOWN = {
    "floor": "the floor",
    "ipip": "**ipip**",
    "ipip-masq": "**ipip**, masquerade",
    "ptp": "ptp + host-local",
    "bridge": "bridge + host-local",
    "ptp-masq": "ptp + host-local, masquerade",
}


def one_pod(found):
    samples, counts = found["samples"], found["counts"]
    floor = {what: samples[f"floor {what}"]["median"] for what in ["ADD", "DEL"]}
    tables = []
    for what in ["ADD", "DEL"]:
        rows = []
        for name, shown in SHOWN.items():
            one = samples[f"{name} {what}"]
            calls, messages = counts[f"{name} {what}"]
            rows.append([shown, one["median"] / floor[what], one["median"], " - ".join(map(number, one["spread"])),
                         one["p99"], one["cpu"], one["memory"], str(calls), str(messages)])
        tables.append(table([what, "/ floor", "ms", "middle half", "p99", "CPU, ms", "MiB", "system calls",
                             "netlink messages"], rows))
    return tables


def others(found):
    samples = found["samples"]
    version = samples["ipip VERSION"]["median"]
    rows = [[name, one["median"] / version, one["median"], " - ".join(map(number, one["spread"])), one["p99"], one["cpu"],
             one["memory"], *map(str, found["counts"].get(name, ["", ""]))]
            for name, one in sorted(samples.items(), key=lambda entry: entry[1]["median"])
            if not name.endswith((" ADD", " DEL"))]
    return table(["others", "/ VERSION", "ms", "middle half", "p99", "CPU, ms", "MiB", "system calls", "netlink messages"], rows)


VERBS = ["ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION"]


def each_verb(what, steps):
    """All figures of our plugin's verbs, by how many there are of `what`: {step: figures by verb}."""
    rows = [[f"{verb}, {int(step):,}", one["median"], one["p99"], one["cpu"], one["memory"], *map("{:,}".format, one["counts"])]
            for verb in VERBS for step, line in steps.items() for one in [line[verb]]]
    return table([what, "ms", "p99", "CPU, ms", "MiB", "system calls", "netlink messages"], rows)


def growth(lines, what):
    rows = []
    verbs = [verb for verb in VERBS if any(verb in next(iter(line.values())) for line in lines.values())]
    for name, line in lines.items():
        first = next(iter(line.values()))["ADD"]
        rows += [[f"{name}, {int(step):,}", times["ADD"] / first, *map(times.get, verbs)] for step, times in line.items()]
    return table([what, "ADD / with the least", *(f"{verb}, ms" for verb in verbs)], rows)


def with_nodes(found):
    rows = []
    first = next(iter(found["by nodes"].values()))["ADD"]["median"]
    for step, line in found["by nodes"].items():
        rows.append([f"{int(step):,}", line["ADD"]["median"] / first, line["STATUS"]["median"] / line["VERSION"]["median"],
                     *(line[verb]["median"] for verb in VERBS)])
    return table(["nodes", "ADD / with one", "STATUS / VERSION", *(f"{verb}, ms" for verb in VERBS)], rows)


def mesh(sizes):
    rows = [[f"{int(peers):,}", t["make"] / t["floor make"], t["make"], t["floor make"], t["again"],
             t["floor look"], t["change"],
             t["clear"] / t["floor remove"], t["clear"], t["floor remove"], t["memory"]]
            for peers, t in sizes.items()]
    return table(["peers", "make / floor", "make, ms", "floor, ms", "no-op, ms", "floor, ms", "one changed, ms", "remove / floor",
                  "remove, ms", "floor, ms", "kernel, KiB a peer"], rows)


def messages(meshes):
    """What each step sends, and the floor."""
    rows = []
    for topology, sizes in meshes.items():
        for peers, times in sizes.items():
            sent = times["messages"]
            rows.append([f"{topology}, {int(peers):,}", *(f"{sent[what]:,}" for what in [
                "make", "floor make", "again", "floor look", "change", "clear", "floor remove"])])
    return table(["netlink messages", "make", "floor", "no-op", "floor", "one changed", "remove", "floor"], rows)


def what_shared_saves(meshes):
    rows = [[f"{int(peers):,}", pairs["make"] / shared["make"], pairs["make"] - shared["make"],
             (pairs["memory"] - shared["memory"]) * int(peers) / 1024]
            for (peers, pairs), shared in zip(meshes["pairs"].items(), meshes["shared"].values())]
    return table(["what one device saves, by peers", "pairs / shared, made", "ms", "kernel, MiB"], rows)


def data_plane(found):
    """Throughput and latency."""
    others = {"a bare device's": dataplane.BARE, "one device's for all": dataplane.BARE_TO_ALL, "routing's": dataplane.ROUTED,
              "VXLAN's": dataplane.VXLAN}
    for place, (what, unit) in enumerate([("throughput", "Gbit/s"), ("latency", "there and back, us")]):
        lines = {name: values[place] for name, values in found["data plane"].items()}
        medians = {name: statistics.median(values) for name, values in lines.items()}
        rows = [[name, *(median / medians[other] for other in others.values()), median,
                 f"{number(lines[name][0])} - {number(lines[name][-1])}"] for name, median in medians.items()]
        yield table([f"{what}, pod to pod", *(f"/ {other}" for other in others), unit, "all lie in"], rows)


def last(line):
    return list(line.items())[-1]


def grown(line):
    """How many times an ADD takes in the end what it takes in the beginning."""
    return last(line)[1]["ADD"] / next(iter(line.values()))["ADD"]


def targets(found):
    samples = found["samples"]
    median = {name: sample["median"] for name, sample in samples.items()}
    own = median["ipip ADD"]
    goals = [
        at_most("ADD, to the floor", 1.4, own / median["floor ADD"]),
        at_least("ADD, faster than ptp + host-local", 6, median["ptp ADD"] / own, far=None,
                 bound=median["ptp ADD"] / median["floor ADD"]),
        at_least("ADD with masquerade, faster than ptp's", 15, median["ptp-masq ADD"] / median["ipip-masq ADD"], far=None,
                 bound=median["ptp-masq ADD"] / median["floor ADD"]),
        at_most("DEL, to the floor's", 1.5, median["ipip DEL"] / median["floor DEL"]),
        at_least("DEL, faster than ptp + host-local", 10, median["ptp DEL"] / median["ipip DEL"], far=None,
                 bound=median["ptp DEL"] / median["floor DEL"]),
        at_most("peak memory of an ADD", 4.8, samples["ipip ADD"]["memory"], " MiB"),
    ]
    for what, line, floor in [("pods", found["with pods"]["ipip"], found["with pods"]["floor"]),
                              ("leases", found["with leases"]["ipip-ipam"], None)]:
        step, _ = last(line)
        goals.append(at_most(f"growth of ADD to {int(step):,} {what}", 1.15, grown(line),
                             bound=grown(floor) if floor else None))
    step, many = last(found["by nodes"])
    few = next(iter(found["by nodes"].values()))
    goals += [
        at_most(f"growth of ADD to {int(step):,} nodes", 1.15, many["ADD"]["median"] / few["ADD"]["median"]),
        at_most(f"STATUS, to VERSION, of {int(step):,} nodes", 2, many["STATUS"]["median"] / many["VERSION"]["median"]),
        at_most(f"peak memory of an ADD with {int(step):,} nodes", 12, many["ADD"]["memory"], " MiB"),
    ]
    rates = found["at once"]
    for step in list(rates["ipip"])[-2:]:
        goals += [
            at_least(f"{step} ADDs at once, pods a second to the floor's", 0.7, rates["ipip"][step] / rates["floor"][step]),
            at_least(f"{step} ADDs at once, to ptp's", 6, rates["ipip"][step] / rates["ptp"][step], far=None),
        ]
    times = found["mesh"]["pairs"]["1000"]
    goals += [
        at_most("mesh of 1,000, to bare messages", 1.2, times["make"] / times["floor make"]),
        at_most("no-op, to making 1,000", 0.05, times["again"] / times["make"], far=None,
                bound=times["floor look"] / times["make"]),
        at_most("removal of 1,000, to one message", 1.2, times["clear"] / times["floor remove"],
                bound=1 + times["floor group"] / times["floor remove"]),
    ]
    peers, times = last(found["mesh"]["shared"])
    pairs = found["mesh"]["pairs"][peers]
    goals += [
        at_most(f"shared mesh of {int(peers):,}, to bare messages", 1.2, times["make"] / times["floor make"]),
        at_least(f"shared mesh of {int(peers):,}, faster than pairs", 10, pairs["make"] / times["make"], far=None),
    ]
    one = found["agent"]
    goals += [at_most(f"agent of {one['nodes']:,} nodes, resident memory", 32, one["resident"], " MiB"),
              none_of(f"the agent's netlink messages for {one['beats']} heartbeats", one["messages"])]
    if "data plane" in found:
        rates = {name: statistics.median(rates) for name, (rates, _) in found["data plane"].items()}
        bare, checked = dataplane.BARE, rates.get(dataplane.CHECKED)
        bound = checked / rates[bare] if checked else None
        for name, other in dataplane.COMPARED.items():
            if name in rates:
                goals.append(at_least(f"throughput, {name}, to {other}", 0.98, rates[name] / rates[other], far=1.08,
                                      bound=bound if name in ("ipip", dataplane.TO_ALL) else None))
    return goals


def goals_table(goals: list[Target]):
    return table(["", "wanted", "found", "the floor's own", "holds"], [goal.row() for goal in goals])


def parts(found, goals, words):
    yield "# Performance"
    yield ("What `test/bench.sh` found, which writes this page. What a ratio compares ran in turns; times are those of the "
           "whole process, medians. Ratios carry over to other machines, milliseconds do not. Whatever has tunnels (growth by "
           "nodes, the mesh, the agent, the data plane) ran in an emulated machine that takes 8 ns for each instruction, of "
           "whatever kind: that comes out the same each time, without caches and other guests of the processor.")
    words = [*words, ("kernel of the tunnels", found["kernel of the tunnels"])]
    yield "\n".join(f"- {key}: {text}" for key, text in words)
    yield "## Targets"
    yield ("*The floor* is `test/bench/floor.c`, a static C program that does the same wiring by the fewest netlink messages, "
           "without configuration, lease, result or check: nobody can be faster. *The floor's own* is what it reaches in the "
           "same comparison; what it misses, everybody does.")
    yield goals_table(goals)
    yield "Where one does not hold, [decisions/0007-speed.md](decisions/0007-speed.md) tells where the time goes."
    yield "## One pod"
    yield from one_pod(found)
    yield others(found)
    yield ("The floor's DEL, as ours, returns when the link is gone: what the kernel does afterwards is not in their CPU, as it is "
           "in the rivals'. Flannel's plugin is not in Debian; it calls bridge and host-local, and so takes longer than they do.")
    yield table(["as installed", "MiB"], [[name, size / (1 << 20)] for name, size in found["sizes"].items()])
    yield "The plugins are static. The image, uncompressed, has the agent, the libraries that it takes, and the plugins."
    yield "## Growth"
    yield growth(found["with pods"], "pods")
    yield "![ADD by pods](performance-pods.svg)"
    yield growth(found["with leases"], "leases")
    yield "A CHECK finds one's lease, which is among the first that host-local reads."
    yield "![ADD by leases](performance-leases.svg)"
    yield "The nodes are of a file as the agent leaves it, each with its tunnel."
    yield with_nodes(found)
    yield "### Each verb of ipip"
    yield each_verb("by pods on the node", found["by pods"])
    yield each_verb("by nodes in the file", found["by nodes"])
    yield "## At once"
    rates = found["at once"]
    yield table(["pods a second, of ADDs at once", *rates["ipip"]],
                [*([SHOWN[name], *line.values()] for name, line in rates.items()),
                 *([f"ipip / {SHOWN[name]}", *(rates["ipip"][step] / rate for step, rate in rates[name].items())]
                   for name in ["floor", "ptp"])])
    yield "## The mesh"
    yield mesh(found["mesh"]["pairs"])
    yield ("Without process start. Made by a bare program of pipelined messages, and removed by one message for the "
           "devices' group: that is the floor. A no-op's reads what there is and asks for the way to each peer.")
    yield "### With one device for all peers"
    yield "In the same run, after the pairs."
    yield mesh(found["mesh"]["shared"])
    yield what_shared_saves(found["mesh"])
    yield messages(found["mesh"])
    yield "## The agent"
    one = found["agent"]
    yield table(["nodes", "from start to ready, s", "its CPU until then, s", "from event to route, ms", "idle, ms of CPU a second",
                 "with heartbeats, ms", "resident, MiB", "peak, MiB"],
                [[f"{one['nodes']:,}", one["ready"], one["to be ready"], one["route"], one["idle"], one["beating"],
                  one["resident"], one["memory"]]])
    yield (f"The Nodes, {one['size'] / 1024:.0f} KiB each, come by TLS from a server that shares the only processor. Heartbeats: each "
           "Node is written every five minutes, as by kubelets where nothing changes.")
    if "data plane" in found:
        yield "## The data plane"
        yield from data_plane(found)
        yield "One TCP stream between two hosts of one kernel, on the emulated processor: that is the limit, and the ratio counts."


def write(found, goals, directory, words):
    text = "\n\n".join(parts(found, goals, words)) + "\n"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/performance.md", "w") as file:
        file.write(text)
    for what, lines in [("pods", found["with pods"]), ("leases", found["with leases"])]:
        series = {name: {int(step): times["ADD"] for step, times in line.items()} for name, line in lines.items()}
        with open(f"{directory}/performance-{what}.svg", "w") as file:
            file.write(plot(f"ADD of one more pod, by {what}", "ms", series, list(next(iter(series.values())))))
    return text

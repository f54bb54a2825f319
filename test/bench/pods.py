"""One pod, many pods, many at once, on one host without peers, so that all plugins do the same."""

import os

from plugins import Floor, bridge, other_ipam, ours, own_ipam, ptp
from runs import PROGRAMS, Sample, connect, interleaved, ip, launch


def pair(plugin, space="p0"):
    """ADD and DEL of one pod."""

    def run(turn):
        yield f"{plugin.name} ADD", plugin.call("ADD", f"one{turn}", space)
        yield f"{plugin.name} DEL", plugin.call("DEL", f"one{turn}", space)

    return run


def verb(plugin, what, document=None, space="keep"):
    def run(turn):
        yield f"{plugin.name} {what}", plugin.call(what, "keep", space, document)

    return run


def nothing(turn):
    yield "static C program", launch([Floor.program, "nothing"])


def one_pod(times, floor, rivals, masquerading_rival):
    """Everything about one pod. One other of ours stands all the time, so that the mesh does.
    Returns the figures, and how many system calls and netlink messages each takes."""
    plain, masquerading = ours(), ours("ipip-masq", "10.11.0.0/16", ipMasq=True)
    asked = documents(plain, plain.result("keep", "keep"))
    samples = interleaved(times, [nothing, pair(floor), pair(plain), *map(pair, rivals), *questions(plain, asked)])
    numbers = {f"{plain.name} {what}": count for what, count in counts_by_verb(plain, asked, "p1").items()}
    for plugin in [floor, *rivals]:
        for what in ["ADD", "DEL"]:
            numbers[f"{plugin.name} {what}"] = plugin.counts(what, "counted", "p1")
    plain.call("DEL", "keep", "keep")
    # A host has one network of ours, so the other way of it comes now, with whom it is compared to.
    masquerading.call("ADD", "keep", "keep")
    samples |= interleaved(times, [pair(masquerading), pair(masquerading_rival)])
    for plugin in [masquerading, masquerading_rival]:
        for what in ["ADD", "DEL"]:
            numbers[f"{plugin.name} {what}"] = plugin.counts(what, "counted", "p1")
    masquerading.call("DEL", "keep", "keep")
    return {name: sample.figures() for name, sample in samples.items()}, numbers


def medians_by_verb(plugin, samples):
    return {name.split()[1]: sample.median for name, sample in samples.items() if name.split()[0] == plugin.name}


def documents(plugin, previous, pods=()):
    """By verb, what comes with the questions that a runtime has from time to time where the pod "keep"
    stands, whose result was `previous`, and these."""
    newest = dict(plugin.config, cniVersion="1.1.0")
    valid = [{"containerID": f"{plugin.name}-{pod}", "ifname": "eth0"} for pod in ["keep", *pods]]
    return {
        "CHECK": dict(plugin.config, prevResult=previous),
        "STATUS": newest,
        "GC": {**newest, "cni.dev/valid-attachments": valid},
        "VERSION": None,
    }


def questions(plugin, asked, space="keep"):
    return [verb(plugin, what, document, space) for what, document in asked.items()]


def counts_by_verb(plugin, asked, free, space="keep"):
    """How many system calls and netlink messages: of a pod in the namespace `free`, and of what is asked."""
    return {**{what: plugin.counts(what, "counted", free) for what in ["ADD", "DEL"]},
            **{what: plugin.counts(what, "keep", space, document) for what, document in asked.items()}}


def figures_by_verb(plugin, samples, counts):
    """All that is known of each verb."""
    return {what: {**samples[f"{plugin.name} {what}"].figures(), "counts": count} for what, count in counts.items()}


def with_pods(plugin, steps, times, others=(), previous=None):
    """Medians by plugin and verb, for one more pod, by how many `plugin` has: of its own and of
    `others`. `previous` is the result of its pod "keep", where there is one to ask about: then
    also all figures of each verb, by how many pods there are."""
    medians = {one.name: {} for one in [plugin, *others]}
    figures = {}
    there = 0
    for step in steps:
        for pod in range(there, step):
            plugin.call("ADD", f"pod{pod}", f"p{pod + 1}", settle=0)
        there = step
        asked = documents(plugin, previous, [f"pod{pod}" for pod in range(there)]) if previous else {}
        # Apart: a GC of a thousand leaves cold caches behind.
        samples = {**interleaved(times, list(map(pair, [plugin, *others]))),
                   **interleaved(times, questions(plugin, asked))}
        if asked:
            figures[step] = figures_by_verb(plugin, samples, counts_by_verb(plugin, asked, "p0"))
        for one in [plugin, *others]:
            medians[one.name][step] = medians_by_verb(one, samples)
    for pod in range(there):
        plugin.call("DEL", f"pod{pod}", f"p{pod + 1}", settle=0)
    return medians, figures


def reserve(first, last):
    """Leases of host-local behind its first, as it leaves them; its own ADDs would take minutes."""
    folder = "/run/host-local/leases/host-local"
    os.makedirs(folder, exist_ok=True)

    def address(number):
        return f"10.40.{(number + 3) // 256}.{(number + 3) % 256}"

    for number in range(first, last):
        with open(f"{folder}/{address(number)}", "w") as file:
            file.write(f"lease{number}\r\neth0")
    with open(f"{folder}/last_reserved_ip.0", "w") as file:
        file.write(address(last))


def with_leases(steps, times):
    """Medians of ADD and DEL of one more address, and of finding one (CHECK), by how many are
    leased: the IPAM plugins, each called by itself."""
    own = [own_ipam("ipip-ipam", "10.40.0.0/16"), own_ipam("ipip-ipam-v6", "2001:db8:40::/64")]
    other = other_ipam("10.40.0.0/16")
    medians = {plugin.name: {} for plugin in [*own, other]}
    find = [verb(plugin, "CHECK", dict(plugin.config, prevResult=plugin.result("keep", "p0"))) for plugin in [*own, other]]
    there = 0
    for step in steps:
        for plugin in own:
            for first in range(there, step, 250):
                plugin.call("ADD", f"{first}-%", "p0", count=min(250, step - first), settle=0)
        reserve(there, step)
        there = step
        samples = interleaved(times, [*map(pair, [*own, other]), *find])
        for name, line in medians.items():
            line[step] = {what: samples[f"{name} {what}"].median for what in ["ADD", "DEL", "CHECK"]}
    return medians


def at_once(plugins, steps, times):
    """Pods a second, by how many ADDs run at once."""
    rates = {plugin.name: {} for plugin in plugins}
    for step in steps:
        samples = {plugin.name: Sample() for plugin in plugins}
        for turn in range(times):
            for plugin in plugins:
                samples[plugin.name].add(plugin.call("ADD", f"at{turn}-%", count=step, settle=0.3))
                plugin.call("DEL", f"at{turn}-%", count=step)
        for name, sample in samples.items():
            rates[name][step] = 1000 * step / sample.median
    return rates


def measure(size):
    connect()
    count = max(size["pods"][-1] + 1, size["at once"][-1])
    ip("netns add keep", *(f"netns add p{i}" for i in range(count)), "address add 10.99.255.1/32 dev lo")
    floor = Floor()
    rivals = [ptp("ptp", "10.20.0.0/16"), bridge("bridge", "10.21.0.0/16")]
    samples, numbers = one_pod(size["times"], floor, rivals, ptp("ptp-masq", "10.22.0.0/16", masquerade=True))
    plain = ours()
    previous = plain.result("keep", "keep")
    many, figures = with_pods(plain, size["pods"], size["few"], [floor], previous)
    found = {
        "samples": samples,
        "counts": numbers,
        "by pods": figures,
        "at once": at_once([floor, plain, rivals[0]], size["at once"], max(3, size["few"] // 4)),
        "with pods": {**many, **with_pods(rivals[1], size["pods"], size["few"])[0]},
        "with leases": with_leases(size["leases"], size["few"]),
        "sizes": {program: os.path.getsize(f"{PROGRAMS}/{program}") for program in ["ipip", "ipip-ipam", "ipipctl", "ipipd"]},
    }
    plain.call("DEL", "keep", "keep")
    return found

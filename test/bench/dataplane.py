"""Pod to pod between two hosts of one kernel with ipip: over our tunnels, over bare ipip devices, over
VXLAN, and routed."""

import itertools
import json
import statistics
import subprocess

from plugins import ours
from runs import entered, ip, sh

SIDES = [("a", "172.16.5.126", "10.10.1"), ("b", "172.16.5.127", "10.10.2")]  # name, address, pods

# As the page shows them.
ROUTED, VXLAN = "routed", "vxlan"
BARE, CHECKED = "a bare ipip device", "a bare ipip device, rp_filter"
MORE = 1000
UNCHECKED, MANY = "ipip without sourceCheck", f"ipip, {MORE:,} more tunnels"
BARE_TO_ALL, TO_ALL = "one bare ipip device for all peers", "ipip, one device for all peers"
COMPARED = {"ipip": BARE, UNCHECKED: BARE, MANY: "ipip", TO_ALL: BARE_TO_ALL}  # what to what

NUMBERS = itertools.count()


class Pair:
    """Two hosts on one wire, each with a pod of the address .2."""

    def __init__(self, shown, mtu):
        self.shown = shown
        self.name = f"{type(self).__name__}{next(NUMBERS)}"
        self.mtu = mtu
        hosts = [self.host(side) for side, _, _ in SIDES]
        ip(*(f"netns add {space}" for host in hosts for space in (host, f"pod-{host}")))
        ip(f"link add eth0 netns {hosts[0]} type veth peer name eth0 netns {hosts[1]}")
        for side, address, _ in SIDES:
            ip("link set lo up", f"address add {address}/24 dev eth0", "link set eth0 up", space=self.host(side))
            sh("ip", "netns", "exec", self.host(side), "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.connect()

    def host(self, side):
        return f"{self.name}-{side}"

    def sides(self):
        """For each: its host, its address and pods, and the other's."""
        for one, other in [SIDES, SIDES[::-1]]:
            yield self.host(one[0]), one[1], one[2], other[1], other[2]

    def connect(self):
        """By hand; what leads to the other pods is `way`."""
        for host, own, pods, other, others in self.sides():
            ip(f"link add pod type veth peer name eth0 netns pod-{host}", f"link set pod up mtu {self.mtu}",
               "address add 169.254.1.1/32 dev pod", f"route add {pods}.2 dev pod", space=host)
            ip("link set lo up", f"link set eth0 up mtu {self.mtu}", f"address add {pods}.2/32 dev eth0",
               "route add 169.254.1.1 dev eth0", "route add default via 169.254.1.1", space=f"pod-{host}")
            ip(*self.way(own, other, pods, others), space=host)

    def throughput(self):
        """Gigabits a second of one TCP stream."""
        server = subprocess.Popen(entered(f"pod-{self.host('b')}", ["iperf3", "-s", "-1", "--forceflush", "-p", "5999"])[1],
                                  stdout=subprocess.PIPE, text=True)
        server.stdout.readline()
        server.stdout.readline()  # it listens
        text = sh(*entered(f"pod-{self.host('a')}",
                           ["iperf3", "-J", "-c", SIDES[1][2] + ".2", "-p", "5999", "-t", "2", "-O", "1"])[1])
        server.communicate()
        return json.loads(text)["end"]["sum_received"]["bits_per_second"] / 1e9

    def latency(self):
        """Microseconds for there and back, the median."""
        text = sh(*entered(f"pod-{self.host('a')}", ["ping", "-n", "-c", "200", "-i", "0.005", SIDES[1][2] + ".2"])[1])
        return 1000 * statistics.median(float(line.split("time=")[1].split()[0])
                                        for line in text.splitlines() if "time=" in line)


class Routed(Pair):
    def way(self, own, other, pods, others):
        return [f"route add {others}.0/24 via {other}"]


class Bare(Pair):
    def way(self, own, other, pods, others):
        return [f"tunnel add tun1 mode ipip remote {other} local {own}", f"address add {pods}.1 peer {others}.1 dev tun1",
                f"link set tun1 up mtu {self.mtu}", f"route add {others}.0/24 dev tun1"]


class Shared(Pair):
    """One device to all peers."""

    def way(self, own, other, pods, others):
        return [f"tunnel add tun1 mode ipip local {own}", f"address add {pods}.1/32 dev tun1",
                f"link set tun1 up mtu {self.mtu}", f"route add {others}.0/24 via {other} dev tun1 onlink"]


class Strict(Bare):
    """With the kernel's own check of the source."""

    def connect(self):
        super().connect()
        for host, *_ in self.sides():
            sh("ip", "netns", "exec", host, "sysctl", "-qw", "net.ipv4.conf.tun1.rp_filter=1", "net.ipv4.conf.pod.rp_filter=1")


class Vxlan(Pair):
    def way(self, own, other, pods, others):
        return [f"link add vx0 type vxlan id 1 local {own} remote {other} dstport 4789",
                f"link set vx0 up mtu {self.mtu}", f"address add {pods}.1/32 dev vx0",
                f"route add {others}.1 dev vx0", f"route add {others}.0/24 via {others}.1 dev vx0"]


class Ours(Pair):
    """With `more` further nodes that nobody speaks to, and more configuration."""

    def __init__(self, shown, more=0, **config):
        self.config = config
        self.nodes = [{"name": address, "addresses": [address], "podCIDRs": [f"{pods}.0/24"]} for _, address, pods in SIDES]
        self.nodes += [{"name": f"more{i}", "addresses": [f"172.18.{i // 256}.{i % 256}"],
                        "podCIDRs": [f"10.{64 + i // 256}.{i % 256}.0/24"]} for i in range(more)]
        super().__init__(shown, 1480)

    def connect(self):
        for host, own, *_ in self.sides():
            ip("route add default via 172.16.5.1", space=host)
            plugin = ours(host, host=host, stateDir=f"/run/state-{host}")
            plugin.config.update(nodes=self.nodes, nodeName=own, **self.config)
            plugin.call("ADD", "pod", f"pod-{host}")


def pairs_of(others):
    """Fresh ones; `others` too, and not only what is most like ours."""
    pairs = [Bare(BARE, 1480), Ours("ipip"), Ours(UNCHECKED, sourceCheck=False)]
    if others:
        pairs += [Strict(CHECKED, 1480), Ours(MANY, MORE), Shared(BARE_TO_ALL, 1480), Ours(TO_ALL, topology="shared"),
                  Routed(ROUTED, 1500), Vxlan(VXLAN, 1450)]
    return pairs


def measure(others, rounds):
    """By name, in order: Gbit/s and microseconds. In each round all are made anew: about one pair
    in ten, bare ones too, takes a tenth longer for as long as it lives."""
    rates, delays = {}, {}
    for _ in range(rounds):
        for pair in pairs_of(others):
            rates.setdefault(pair.shown, []).append(pair.throughput())
            delays.setdefault(pair.shown, []).append(pair.latency())
    return {name: [sorted(rates[name]), sorted(delays[name])] for name in rates}

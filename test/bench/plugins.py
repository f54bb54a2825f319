"""Who wires a pod: our plugin, the reference plugins and the floor."""

import json
import os
import subprocess

from runs import PROGRAMS, RIVALS, Failed, counts, entered, launch


class Plugin:
    """A plugin with a configuration. "%" in the names of a pod and its namespace is the number of
    each of several at once."""

    def __init__(self, name, program, config, directory, version="1.0.0", host=None):
        self.name = name
        self.program = program
        self.config = {"cniVersion": version, "name": name, **config}
        self.path = directory
        self.host = host  # the namespace that it runs in

    def variables(self, verb, pod, space):
        return {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": f"{self.name}-{pod}",
            "CNI_NETNS": f"/run/netns/{space}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": self.path,
        }

    def call(self, verb, pod="%", space="p%", document=None, **how):
        return launch([self.program], self.variables(verb, pod, space), document or self.config,
                      space=self.host, **how)

    def result(self, pod, space):
        """An ADD, for what it says."""
        done = subprocess.run(entered(self.host, [self.program])[1], input=json.dumps(self.config), capture_output=True,
                              text=True, env={"PATH": os.environ["PATH"], **self.variables("ADD", pod, space)})
        if done.returncode != 0:
            raise Failed(f"{self.name}: {done.stdout}")
        return json.loads(done.stdout)

    def counts(self, verb, pod, space, document=None):
        return counts([self.program], self.variables(verb, pod, space), document or self.config, self.host)


def ours(name="ipip", network="10.10.0.0/16", host=None, nodes=None, **more):
    node = {"name": "host1", "addresses": ["172.16.5.126"], "podCIDRs": [network]}
    listing = {"nodes": [node]} if nodes is None else {"nodesFile": nodes, "nodeName": "host0"}
    return Plugin(name, f"{PROGRAMS}/ipip", {"type": "ipip", **listing, **more}, PROGRAMS, host=host)


def host_local(network, name):
    return {"type": "host-local", "subnet": network, "dataDir": f"/run/host-local/{name}"}


def ptp(name, network, masquerade=False):
    return Plugin(name, f"{RIVALS}/ptp", {"type": "ptp", "ipMasq": masquerade, "ipam": host_local(network, name)},
                  RIVALS)


def bridge(name, network):
    config = {"type": "bridge", "bridge": f"br-{name}", "isGateway": True, "ipam": host_local(network, name)}
    return Plugin(name, f"{RIVALS}/bridge", config, RIVALS)


def own_ipam(name, network):
    ipam = {"type": "ipip-ipam", "ranges": [[{"subnet": network}]], "dataDir": f"/run/ipip-ipam/{name}"}
    return Plugin(name, f"{PROGRAMS}/ipip-ipam", {"type": "ipip", "ipam": ipam}, PROGRAMS)


def other_ipam(network):
    config = {"type": "ipip", "ipam": host_local(network, "leases")}
    return Plugin("host-local", f"{RIVALS}/host-local", config, RIVALS)


class Floor:
    """The same wiring by the fewest messages."""

    name = "floor"
    program = f"{PROGRAMS}/bench_floor"

    def call(self, verb, pod="%", space="p%", **how):
        link = "floor" + ("%" if "%" in pod else "")
        words = {
            "ADD": ["pod", f"/run/netns/{space}", link, "10.99.1.%", "10.99.255.1"],
            "DEL": ["gone", link],
        }[verb]
        return launch([self.program, *words], **how)

    def counts(self, verb, pod, space):
        words = {"ADD": ["pod", f"/run/netns/{space}", "floor", "10.99.1.1", "10.99.255.1"],
                 "DEL": ["gone", "floor"]}[verb]
        return counts([self.program, *words])

#!/usr/bin/env python3
"""The benchmark's parts; ../bench.sh calls them, each where it can run.

  bench.py pods [--quick]      on any kernel, in namespaces of its own; prints what it found as JSON
  bench.py tunnels [--quick]   on a kernel with ipip; likewise
  bench.py report PODS TUNNELS DIRECTORY [--quick] WORD=TEXT...
                               the page, to the terminal and DIRECTORY/performance.md, and its plots;
                               with --quick only the targets, and fails where one is missed by far
"""

import json
import os
import sys

import agent
import dataplane
import page
import pods
import tunnels
from runs import sh

FULL = {"times": 240, "few": 60, "pods": [0, 100, 1000], "leases": [0, 1000, 50000], "at once": [1, 8, 32, 100],
        "peers": [10, 100, 1000, 5000], "nodes": [1, 100, 1000, 5000], "rounds": 3, "agent": 5000, "more": 1000}
QUICK = {"times": 30, "few": 15, "pods": [0, 100], "leases": [0, 1000], "at once": [32],
         "peers": [1000], "nodes": [1, 100], "rounds": 2, "agent": 0, "more": 0}


def fresh_run():
    """Nothing of this host's is seen or touched: /run is empty, and of this process."""
    sh("mount", "-t", "tmpfs", "none", "/run")
    os.makedirs("/run/netns")


def measure_tunnels(size):
    found = {"kernel of the tunnels": os.uname().release, **tunnels.measure(size)}
    if size["agent"]:
        found["agent"] = agent.measure(size["agent"], size["rounds"])
        found["data plane"] = dataplane.measure(size["more"], 4 * size["rounds"])  # they vary
    return found


def main(arguments):
    what, *rest = [word for word in arguments if word != "--quick"] or ["help"]
    quick = "--quick" in arguments
    size = QUICK if quick else FULL
    if what in ("pods", "tunnels"):
        fresh_run()
        print(json.dumps(pods.measure(size) if what == "pods" else measure_tunnels(size)))
    elif what == "report" and len(rest) >= 3:
        with open(rest[0]) as first, open(rest[1]) as second:
            found = {**json.load(first), **json.load(second)}
        goals = page.targets(found)
        if quick:
            print(page.goals_table(goals))
            missed = [goal.what for goal in goals if goal.is_far]
            if missed:
                sys.exit("bench.py: missed by far: " + ", ".join(missed))
        else:
            print(page.write(found, goals, rest[2], [word.split("=", 1) for word in rest[3:]]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

#!/usr/bin/env python3
"""The benchmark's parts; ../bench.sh calls them, each where it can run.

  bench.py pods [--quick]      on any kernel, in namespaces of its own; prints what it found as JSON
  bench.py tunnels [--quick]   on a kernel with ipip; likewise
  bench.py dataplane [--quick] on a kernel with ipip; likewise
  bench.py report PODS TUNNELS DATAPLANE DIRECTORY [--quick] [image=BYTES] WORD=TEXT...
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
        "peers": {10: 9, 100: 9, 1000: 9, 5000: 3}, "nodes": [1, 100, 1000, 5000], "rounds": 3,
        "agent": 5000, "others": True}  # of peers: how many, and how often
QUICK = {"times": 30, "few": 15, "pods": [0, 100], "leases": [0, 1000], "at once": [32],
         "peers": {1000: 2}, "nodes": [1, 100], "rounds": 3, "agent": 50, "others": False}


def fresh_run():
    """Nothing of this host's is seen or touched: /run is empty, and of this process."""
    sh("mount", "-t", "tmpfs", "none", "/run")
    os.makedirs("/run/netns")


def measure_tunnels(size):
    found = {"kernel of the tunnels": os.uname().release, **tunnels.measure(size)}
    found["agent"] = agent.measure(size["agent"], size["rounds"])
    return found


def measure_data_plane(size):
    return {"data plane": dataplane.measure(size["others"], size["rounds"])}


MEASURES = {"pods": pods.measure, "tunnels": measure_tunnels, "dataplane": measure_data_plane}


def main(arguments):
    what, *rest = [word for word in arguments if word != "--quick"] or ["help"]
    quick = "--quick" in arguments
    size = QUICK if quick else FULL
    if what in MEASURES:
        fresh_run()
        print(json.dumps(MEASURES[what](size)))
    elif what == "report" and len(rest) >= 4:
        *parts, directory = rest[:4]
        found = {}
        for part in parts:
            with open(part) as file:
                found.update(json.load(file))
        words = dict(word.split("=", 1) for word in rest[4:])
        if "image" in words:
            found["sizes"]["the image"] = int(words.pop("image"))
        goals = page.targets(found)
        if quick:
            print(page.goals_table(goals))
            missed = [goal.what for goal in goals if goal.is_far]
            if missed:
                sys.exit("bench.py: missed by far: " + ", ".join(missed))
        else:
            print(page.write(found, goals, directory, words.items()))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

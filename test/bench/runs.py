"""Runs of programs, and what they took."""

import json
import math
import os
import random
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.environ.get("BENCH_PROGRAMS", "")  # where all that we built is
RIVALS = "/usr/lib/cni"


SETTLE = 0.03  # seconds: a link that is gone keeps the kernel busy for some 20 ms


class Failed(Exception):
    pass


def sh(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{words}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def ip(*lines, space=None):
    """Carries out lines of ip(8), in a network namespace or here."""
    words = ["ip"] + (["-n", space] if space else []) + ["-batch", "-"]
    done = subprocess.run(words, input="\n".join(lines) + "\n", capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"ip {lines}: {done.stderr.strip()}")


def entered(space, words):
    """The program and the words that start it in a network namespace."""
    words = (["ip", "netns", "exec", space] if space else []) + words
    return words[0], words


def connect(space=None):
    """Gives a host the address 172.16.5.126 on a wire that leads nowhere."""
    ip("link set lo up", "link add eth0 type veth peer name wire", "link set wire up",
       "address add 172.16.5.126/24 dev eth0", "link set eth0 up", "route add default via 172.16.5.1", space=space)


class Run:
    """One start of a program, or several at once."""

    def __init__(self, wall, processor, memory):
        self.wall = wall  # milliseconds until the last ended
        self.processor = processor  # milliseconds, of all
        self.memory = memory  # MiB, of the largest


def launch(words, variables=None, document=None, count=1, settle=SETTLE, space=None):
    """Starts it `count` times at once, "%" in the words being the number of each, when the kernel
    has had `settle` seconds to finish what was before; in network namespace `space` or this one."""
    time.sleep(settle)
    path = "/dev/null"
    if document is not None:
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write(document if isinstance(document, str) else json.dumps(document))
            path = file.name
    told, tell = os.pipe()
    complaints = tempfile.TemporaryFile()
    try:
        process = os.posix_spawnp(
            *entered(space, [f"{PROGRAMS}/bench_launch", str(count), *words]),
            {"PATH": os.environ["PATH"], "LAUNCH_INPUT": path, **(variables or {})},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, tell, 3),
                (os.POSIX_SPAWN_DUP2, complaints.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, complaints.fileno(), 2),
            ],
        )
        os.close(tell)
        text = os.read(told, 200).decode()
        os.waitpid(process, 0)
        wall, processor, memory, failed = text.split() if text else ("0", "0", "0", "1")
        if int(failed) != 0:
            complaints.seek(0)
            raise Failed(f"{words} {variables}: {complaints.read(2000).decode()}")
        return Run(float(wall) / 1000, float(processor) / 1000, float(memory) / 1024)
    finally:
        os.close(told)
        complaints.close()
        if document is not None:
            os.unlink(path)


class Sample:
    """Of the same thing, many times: milliseconds."""

    def __init__(self):
        self.runs = []

    def add(self, run):
        self.runs.append(run)

    def walls(self):
        return sorted(run.wall for run in self.runs)

    @property
    def median(self):
        return statistics.median(self.walls())

    def percentile(self, part):
        walls = self.walls()
        return walls[min(len(walls) - 1, math.ceil(part * len(walls)) - 1)]

    def figures(self):
        return {
            "median": self.median,
            "spread": self.spread,
            "p99": self.percentile(0.99),
            "cpu": self.processor,
            "memory": self.memory,
        }

    @property
    def spread(self):
        """Half of all lie in between: from, to."""
        return self.percentile(0.25), self.percentile(0.75)

    @property
    def processor(self):
        return statistics.median(run.processor for run in self.runs)

    @property
    def memory(self):
        return max(run.memory for run in self.runs)


def interleaved(times, subjects):
    """Does each of `subjects` in turn, so that what else the machine does hits all alike; in another
    order each time, as each finds the processor's caches as the one before left them. Each is a
    function that yields (name, run) pairs; returns the samples by name."""
    samples = {}
    for turn in range(times):
        for subject in random.Random(turn).sample(subjects, len(subjects)):
            for name, run in subject(turn):
                samples.setdefault(name, Sample()).add(run)
    return samples


def netlink_messages(line):
    """How many are sent by the system call in this line of strace's."""
    return line.count("nlmsg_len=") if "sendmsg(" in line or "sendto(" in line else 0


def counts(words, variables=None, document=None, space=None):
    """How many system calls and netlink messages a run takes, by strace."""
    with tempfile.NamedTemporaryFile("w+") as trace, tempfile.NamedTemporaryFile("w") as file:
        file.write(json.dumps(document))
        file.flush()
        with open(file.name) as given:
            done = subprocess.run(
                entered(space, ["strace", "-f", "-qq", "-v", "-o", trace.name, *words])[1],
                env={"PATH": os.environ["PATH"], **(variables or {})},
                stdin=given,
                capture_output=True,
                text=True,
            )
        if done.returncode != 0:
            raise Failed(f"{words} {variables}: {done.stdout} {done.stderr}")
        calls = messages = 0
        for line in trace:
            if "resumed>" not in line and "+++" not in line and "---" not in line:
                calls += 1
            messages += netlink_messages(line)
        if calls == 0:
            raise Failed(f"strace shows no system calls of {words}")
        return calls, messages

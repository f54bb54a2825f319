#!/usr/bin/python3
"""Speaks to a container runtime as a kubelet does, by the Container Runtime Interface.

    pod.py SOCKET wait                       until the runtime and its network are ready
    pod.py SOCKET run [--port HOST:POD] NAME IMAGE COMMAND...
                                             prints the IDs of sandbox and container, the address
    pod.py SOCKET exec CONTAINER COMMAND...  as if it were run here
    pod.py SOCKET remove SANDBOX             stops the sandbox and removes it
"""

import argparse
import sys
import time

import api_pb2 as api
import grpc

# Seconds: a runtime in an emulated machine takes its time.
PATIENCE = 60


class Runtime:
    """The calls of a runtime, each under its name: runtime.RunPodSandbox(request)."""

    ANSWERS = {
        "Status": api.StatusResponse,
        "RunPodSandbox": api.Sandbox,
        "PodSandboxStatus": api.PodSandboxStatusResponse,
        "StopPodSandbox": api.Nothing,
        "RemovePodSandbox": api.Nothing,
        "CreateContainer": api.Container,
        "StartContainer": api.Nothing,
        "ExecSync": api.ExecSyncResponse,
    }

    def __init__(self, socket):
        channel = grpc.insecure_channel("unix://" + socket)
        for name, answer in self.ANSWERS.items():
            call = channel.unary_unary(
                "/runtime.v1.RuntimeService/" + name,
                request_serializer=lambda request: request.SerializeToString(),
                response_deserializer=answer.FromString,
            )
            setattr(self, name, self.patient(call))

    @staticmethod
    def patient(call):
        return lambda request: call(request, timeout=PATIENCE, wait_for_ready=True)


def conditions(runtime):
    """What the runtime says of itself: {type: condition}."""
    try:
        answer = runtime.Status(api.Nothing())
    except grpc.RpcError as error:
        # It listens some time before it can answer.
        if "not initialized" not in error.details():
            raise
        return {}
    return {condition.type: condition for condition in answer.status.conditions}


def wait(runtime, _):
    until = time.monotonic() + PATIENCE
    found = {}
    while not found or not all(condition.status for condition in found.values()):
        if time.monotonic() > until:
            sys.exit(f"pod.py: not ready after {PATIENCE} s: {found}")
        time.sleep(0.1)
        found = conditions(runtime)


def run(runtime, arguments):
    pod = api.PodSandboxConfig(
        metadata={"name": arguments.name, "uid": arguments.name, "namespace": "test"},
        log_directory="/run/logs",
    )
    if arguments.port:
        host, inside = arguments.port.split(":")
        pod.port_mappings.add(host_port=int(host), container_port=int(inside))
    sandbox = runtime.RunPodSandbox(api.RunPodSandboxRequest(config=pod))
    container = runtime.CreateContainer(
        api.CreateContainerRequest(
            pod_sandbox_id=sandbox.pod_sandbox_id,
            sandbox_config=pod,
            config={
                "metadata": {"name": arguments.name},
                "image": {"image": arguments.image},
                "command": arguments.command,
                "log_path": arguments.name,
            },
        )
    )
    runtime.StartContainer(container)
    network = runtime.PodSandboxStatus(sandbox).status.network
    print(sandbox.pod_sandbox_id, container.container_id, network.ip)


def execute(runtime, arguments):
    answer = runtime.ExecSync(
        api.ExecSyncRequest(
            container_id=arguments.container, cmd=arguments.command, timeout=PATIENCE
        )
    )
    sys.stdout.buffer.write(answer.stdout)
    sys.stderr.buffer.write(answer.stderr)
    sys.exit(answer.exit_code)


def remove(runtime, arguments):
    sandbox = api.Sandbox(pod_sandbox_id=arguments.sandbox)
    runtime.StopPodSandbox(sandbox)
    runtime.RemovePodSandbox(sandbox)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("wait")
    verb.set_defaults(do=wait)
    verb = verbs.add_parser("run")
    verb.set_defaults(do=run)
    verb.add_argument("--port")
    verb.add_argument("name")
    verb.add_argument("image")
    verb.add_argument("command", nargs=argparse.REMAINDER)
    verb = verbs.add_parser("exec")
    verb.set_defaults(do=execute)
    verb.add_argument("container")
    verb.add_argument("command", nargs=argparse.REMAINDER)
    verb = verbs.add_parser("remove")
    verb.set_defaults(do=remove)
    verb.add_argument("sandbox")
    return parser.parse_args()


def main():
    arguments = parse()
    try:
        arguments.do(Runtime(arguments.socket), arguments)
    except grpc.RpcError as error:
        sys.exit(f"pod.py: {error.code().name}: {error.details()}")


main()

#!/usr/bin/python3
"""Writes a container image, made by hand, as an archive that every runtime imports.

    image.py BUSYBOX ARCHIVE

Its only file is busybox, at /bin/busybox. Run as it is, it does nothing for a day: so it
serves as the container that holds a pod together (the "pause" of others), too.
"""

import hashlib
import io
import json
import sys
import tarfile

NAME = "localhost/busybox:1"
DAY = "86400"  # seconds


def archive(files):
    """A tar archive of {path: bytes}, the same for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = 0o755
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Image:
    """The files of an OCI image layout, each blob under its digest."""

    def __init__(self):
        self.files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(self, kind, content):
        """Puts a blob in, and returns the descriptor that refers to it."""
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        digest = hashlib.sha256(content).hexdigest()
        self.files["blobs/sha256/" + digest] = content
        return {
            "mediaType": f"application/vnd.oci.image.{kind}",
            "digest": "sha256:" + digest,
            "size": len(content),
        }


def make(busybox):
    image = Image()
    layer = image.blob("layer.v1.tar", archive({"bin/busybox": busybox}))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Cmd": ["/bin/busybox", "sleep", DAY],
            "Env": ["PATH=/bin"],
            # As process 1 it hears no other.
            "StopSignal": "SIGKILL",
        },
        # The layer is not compressed, so this is its digest too.
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = image.blob(
        "manifest.v1+json",
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": image.blob("config.v1+json", config),
            "layers": [layer],
        },
    )
    manifest["annotations"] = {
        "io.containerd.image.name": NAME,
        "org.opencontainers.image.ref.name": NAME,
    }
    index = {"schemaVersion": 2, "manifests": [manifest]}
    image.files["index.json"] = json.dumps(index).encode()
    return archive(image.files)


def main():
    source, target = sys.argv[1:]
    with open(source, "rb") as file:
        content = make(file.read())
    with open(target, "wb") as file:
        file.write(content)


main()

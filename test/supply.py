"""What the programs are made of, as SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/) in JSON.

supply.py OUT COMMIT BUILD PROGRAM...: BUILD is a build directory of nothing but the PROGRAMs.
"""

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timezone
from urllib.parse import quote


def output(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def headers(build):
    """The system's headers that the compiler has read, and the archives that the linker was given."""
    read = {line.strip() for line in output("ninja", "-C", build, "-t", "deps").splitlines()}
    given = set(re.findall(r"/\S+\.a\b", output("ninja", "-C", build, "-t", "commands")))
    return {path for path in read | given if path.startswith("/usr/")}


def shared_libraries(programs):
    found = set()
    for program in programs:
        asked = subprocess.run(["ldd", program], capture_output=True, text=True)  # fails for a static one
        found |= set(re.findall(r"(/\S+) \(0x", asked.stdout))
    return {os.path.realpath(path) for path in found}


def packages_of(paths):
    """Debian's packages by the files that are theirs. It knows some by their place from before /usr."""
    real = {os.path.realpath(path) for path in paths}
    asked = real | {path.removeprefix("/usr") for path in real}
    found = subprocess.run(["dpkg-query", "--search", *sorted(asked)], capture_output=True, text=True).stdout
    owners = dict(reversed(line.split(": ", 1)) for line in found.splitlines())
    strays = [path for path in real if not {path, path.removeprefix("/usr")} & owners.keys()]
    if strays:
        sys.exit(f"supply.py: of no package: {' '.join(sorted(strays))}")
    return {owner.split(":")[0] for owner in owners.values()}


def package(name, how):
    version = output("dpkg-query", "--show", "--showformat", "${Version}\n", name).splitlines()[0]
    return {
        "SPDXID": "SPDXRef-" + re.sub("[^A-Za-z0-9.-]", "-", name),
        "name": name,
        "versionInfo": version,
        "supplier": "Organization: Debian",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "comment": f"{how}; its licence is in /usr/share/doc/{name}/copyright",
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": f"pkg:deb/debian/{name}@{quote(version)}",
        }],
    }


def main(out, commit, build, *programs):
    parts = [package(name, "compiled in or linked statically") for name in sorted(packages_of(headers(build)))]
    known = {part["name"] for part in parts}
    parts += [package(name, "a shared library of ipipd")
              for name in sorted(packages_of(shared_libraries(programs)) - known)]
    own = {
        "SPDXID": "SPDXRef-ipip-cni",
        "name": "ipip-cni",
        "versionInfo": commit,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "Apache-2.0",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
    }
    written = datetime.fromtimestamp(int(output("git", "log", "-1", "--format=%ct", commit)), timezone.utc)
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "ipip-cni",
        "documentNamespace": f"https://spdx.org/spdxdocs/ipip-cni-{commit}",
        "creationInfo": {"created": written.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: test/supply.sh"]},
        "packages": [own, *parts],
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": own["SPDXID"]},
            *({"spdxElementId": own["SPDXID"], "relationshipType": "DEPENDS_ON", "relatedSpdxElement": part["SPDXID"]}
              for part in parts),
        ],
    }
    with open(out, "w") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    print(f"{out}: {len(parts)} packages: {' '.join(part['name'] for part in parts)}")


main(*sys.argv[1:])

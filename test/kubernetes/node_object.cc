#include "test/kubernetes/node_object.h"

#include <array>
#include <cstdio>

namespace scene {

namespace {

constexpr const char* long_ago = "2024-02-29T12:00:00Z";

/// 64 digits that differ from image to image.
std::string digest(unsigned number) {
    std::string text;
    for (unsigned part = 0; part < 8; ++part) {
        std::array<char, 9> digits{};
        std::snprintf(digits.data(), digits.size(), "%08x",
                      (number * 8 + part + 1) * 2654435761U); // scatters the numbers
        text += digits.data();
    }
    return text;
}

/// Each by its digest and its tag.
Json images() {
    Json list = Json::array();
    for (unsigned i = 0; i < 50; ++i) {
        const std::string image =
            "registry.example/some-group/a-service-of-ours-" + std::to_string(i);
        list.push_back(
            {{"names", {image + "@sha256:" + digest(i), image + ":v1.20." + std::to_string(i)}},
             {"sizeBytes", 30'000'000 + i * 4321}});
    }
    return list;
}

Json conditions() {
    Json list = Json::array();
    const auto add = [&](const char* type, const char* status, const char* reason,
                         const char* message) {
        list.push_back({{"type", type},
                        {"status", status},
                        {"reason", reason},
                        {"message", message},
                        {"lastHeartbeatTime", long_ago},
                        {"lastTransitionTime", long_ago}});
    };
    add("MemoryPressure", "False", "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available");
    add("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure");
    add("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available");
    add("Ready", "False", "KubeletNotReady",
        "runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
        "message:Network plugin returns error: cni plugin not initialized");
    return list;
}

} // namespace

Json node_object(const NodeSpec& spec) {
    Json annotations{{"node.alpha.kubernetes.io/ttl", "0"},
                     {"kubeadm.alpha.kubernetes.io/cri-socket", "/run/containerd/containerd.sock"},
                     {"volumes.kubernetes.io/controller-managed-attach-detach", "true"}};
    annotations.update(spec.annotations);
    Json addresses = Json::array();
    for (const std::string& address : spec.addresses)
        addresses.push_back({{"type", "InternalIP"}, {"address", address}});
    addresses.push_back({{"type", "Hostname"}, {"address", spec.name}});
    const Json capacity{{"cpu", "8"},           {"memory", "32880148Ki"},
                        {"pods", "110"},        {"hugepages-1Gi", "0"},
                        {"hugepages-2Mi", "0"}, {"ephemeral-storage", "101341884Ki"}};
    Json node{{"apiVersion", "v1"},
              {"kind", "Node"},
              {"metadata",
               {{"name", spec.name},
                {"annotations", annotations},
                {"labels",
                 {{"beta.kubernetes.io/arch", "amd64"},
                  {"beta.kubernetes.io/os", "linux"},
                  {"kubernetes.io/arch", "amd64"},
                  {"kubernetes.io/hostname", spec.name},
                  {"kubernetes.io/os", "linux"},
                  {"topology.kubernetes.io/zone", "zone-a"}}}}},
              {"spec", Json::object()},
              {"status",
               {{"addresses", addresses},
                {"capacity", capacity},
                {"allocatable", capacity},
                {"conditions", conditions()},
                {"images", images()},
                {"daemonEndpoints", {{"kubeletEndpoint", {{"Port", 10250}}}}},
                {"nodeInfo",
                 {{"architecture", "amd64"},
                  {"bootID", "21c5bd6c-6f1e-4b0e-8a2c-0d3b1f0a1e55"},
                  {"containerRuntimeVersion", "containerd://1.6.20"},
                  {"kernelVersion", "6.1.0-18-amd64"},
                  {"kubeProxyVersion", "v1.20.2"},
                  {"kubeletVersion", "v1.20.2"},
                  {"machineID", "5b1c4a3ed1d94a5c9be2dd0d2d4b5f6a"},
                  {"operatingSystem", "linux"},
                  {"osImage", "Debian GNU/Linux 12 (bookworm)"},
                  {"systemUUID", "5b1c4a3e-d1d9-4a5c-9be2-dd0d2d4b5f6a"}}}}}};
    if (!spec.pod_cidrs.empty())
        node["spec"] = {{"podCIDR", spec.pod_cidrs.front()}, {"podCIDRs", spec.pod_cidrs}};
    return node;
}

} // namespace scene

#include "agent/file_source.h"

#include "agent/log.h"
#include "netlink/fd.h"
#include "json/field.h"

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sys/inotify.h>
#include <system_error>

namespace agent {

FileSource::FileSource(std::filesystem::path path)
    : path_(std::move(path)), interrupt_(std::make_shared<Interrupt>()) {}

FileSource::~FileSource() {
    interrupt_->interrupt();
    if (thread_.joinable())
        thread_.join();
}

void FileSource::start(Deliver deliver) {
    thread_ = std::thread([this, deliver = std::move(deliver)] {
        try {
            follow(deliver);
        } catch (const std::exception& error) {
            log_error("--nodes-file: " + path_.string() +
                      " is no longer followed: " + error.what());
        }
    });
}

void FileSource::follow(const Deliver& deliver) const {
    const netlink::Fd events(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    // The directory is watched, since a rename brings another file under the name, or, where
    // Kubernetes mounts a ConfigMap, another directory under "..data", through which the name
    // leads.
    if (!events || ::inotify_add_watch(events.get(), path_.parent_path().c_str(),
                                       IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
        throw std::system_error(errno, std::generic_category(),
                                "cannot follow " + path_.parent_path().string());
    read(deliver);
    while (interrupt_->wait_for(events.get())) {
        alignas(inotify_event) std::array<char, 4096> buffer{};
        bool ours = false;
        for (ssize_t size = 0; (size = ::read(events.get(), buffer.data(), buffer.size())) > 0;)
            for (ssize_t at = 0; at < size;) {
                const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
                ours = ours || (event->mask & IN_Q_OVERFLOW) != 0 ||
                       (event->len > 0 && (path_.filename() == event->name ||
                                           std::string_view(event->name) == "..data"));
                at += static_cast<ssize_t>(sizeof *event + event->len);
            }
        if (ours)
            read(deliver);
    }
}

void FileSource::read(const Deliver& deliver) const {
    try {
        std::ifstream file(path_);
        if (!file)
            throw json::FieldError("cannot be read");
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        const json::Value document = json::parse(text);
        Roster roster;
        for (mesh::Node& node : mesh::read_nodes(
                 json::Field(document).require("nodes", "list every node of the cluster"))) {
            std::string name = node.name;
            roster.push_back({.name = std::move(name),
                              .node = std::move(node),
                              .address_from = "the nodes file"});
        }
        deliver(std::move(roster));
    } catch (const std::exception& error) {
        log_error("--nodes-file: " + path_.string() + ": " + error.what() +
                  "; the nodes stay as they were");
    }
}

} // namespace agent

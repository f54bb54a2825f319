#include "agent/file_source.h"

#include "agent/log.h"
#include "mesh/cluster.h"
#include "netlink/fd.h"
#include "json/field.h"

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sys/inotify.h>
#include <system_error>
#include <utility>

namespace agent {

namespace {

constexpr std::chrono::seconds again{1};
constexpr std::chrono::seconds look_anyway{5};

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

} // namespace

FileSource::FileSource(const std::filesystem::path& path)
    : path_(std::filesystem::absolute(path)), interrupt_(std::make_shared<Interrupt>()) {}

FileSource::~FileSource() {
    interrupt_->interrupt();
    if (thread_.joinable())
        thread_.join();
}

void FileSource::start(Deliver deliver) {
    thread_ = std::thread([this, deliver = std::move(deliver)] {
        do {
            try {
                return follow(deliver);
            } catch (const std::exception& error) {
                complain(error.what() + std::string("; it is tried again"));
            }
        } while (interrupt_->sleep(again));
    });
}

void FileSource::follow(const Deliver& deliver) {
    const netlink::Fd events(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    // The directory is watched, since a rename brings another file under the name, or, where
    // Kubernetes mounts a ConfigMap, another directory under "..data", through which the name
    // leads. Of other links, and of a directory that is another by now, nothing is told.
    if (!events || ::inotify_add_watch(events.get(), path_.parent_path().c_str(),
                                       IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
        fail("cannot follow " + path_.parent_path().string());
    std::string version = mesh::file_version(path_);
    // Of what could not be read for want of memory or descriptors no news will come once more.
    for (bool known = read(deliver);;) {
        const auto found = interrupt_->wait_for(events.get(), known ? look_anyway : again);
        if (found == Interrupt::Found::interrupted)
            return;
        const bool told = found == Interrupt::Found::input && is_of_ours(events.get());
        const std::string version_now = mesh::file_version(path_);
        const bool is_another = std::exchange(version, version_now) != version_now;
        if (told || is_another)
            complained_.clear(); // of another file it is said anew
        if (told || is_another || !known)
            known = read(deliver);
    }
}

bool FileSource::is_of_ours(int events) const {
    alignas(inotify_event) std::array<char, 4096> buffer{};
    bool ours = false;
    ssize_t size = 0;
    while ((size = ::read(events, buffer.data(), buffer.size())) > 0)
        for (ssize_t at = 0; at < size;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
            ours = ours || (event->mask & IN_Q_OVERFLOW) != 0 ||
                   (event->len > 0 &&
                    (path_.filename() == event->name || std::string_view(event->name) == "..data"));
            at += static_cast<ssize_t>(sizeof *event + event->len);
        }
    if (size < 0 && errno != EAGAIN && errno != EINTR) // what there was to hear is lost
        fail("cannot follow " + path_.parent_path().string());
    return ours;
}

bool FileSource::read(const Deliver& deliver) {
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
        complained_.clear();
        return true;
    } catch (const std::exception& error) {
        complain(error.what() + std::string("; the nodes stay as they were"));
        return false;
    }
}

void FileSource::complain(const std::string& why) {
    if (std::exchange(complained_, why) != why)
        log_error("--nodes-file: " + path_.string() + ": " + why);
}

} // namespace agent

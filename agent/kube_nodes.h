#pragma once

#include "agent/roster.h"
#include "json/field.h"

#include <chrono>
#include <istream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

namespace agent {

/// The server's answer was no success. `gone`: it has forgotten the place that was asked for.
class Refused : public std::runtime_error {
  public:
    Refused(const std::string& what, bool is_gone, std::optional<std::chrono::seconds> wait)
        : std::runtime_error(what), gone(is_gone), retry_after(wait) {}
    bool gone;
    std::optional<std::chrono::seconds> retry_after;
};

/// The cluster's Nodes, as a list in pages and then the events of a watch tell of them. Of each,
/// only what makes a node of the mesh is kept; objects are read as they come, one at a time.
///
/// The methods throw json::SyntaxError and json::FieldError where that is not what the stream has,
/// and what the stream throws; what was known stays then.
class KubeNodes {
  public:
    /// From the first page on; what was known stays until the last is read.
    void begin_list() { listed_.clear(); }
    /// Returns where the next page begins; empty behind the last, with which the list takes the
    /// place of all that was known.
    std::string read_page(std::istream& stream);

    struct Event {
        bool of_a_node; ///< and not a bookmark
        bool is_news;   ///< it changes something for us: a heartbeat does not
    };
    /// The next event; none at the end of the stream. Throws Refused for one that says that the
    /// watch has failed.
    std::optional<Event> read_event(std::istream& stream);

    Roster roster() const;
    std::size_t size() const { return nodes_.size(); }
    /// The place to go on from; empty: all is to be listed.
    const std::string& version() const { return version_; }
    void forget_version() { version_.clear(); }

  private:
    using Nodes = std::map<std::string, Candidate>;
    static bool note(Nodes& nodes, const json::Field& object);
    Event handle(const json::Field& event);

    Nodes nodes_;
    Nodes listed_; ///< the pages so far
    std::string version_;
};

} // namespace agent

#include "agent/kube_nodes.h"
#include "test/fuzz/expect.h"

#include <algorithm>
#include <streambuf>
#include <string_view>

// What an API server says of its Nodes, in whichever portions it comes: the pages of a list and
// then a watch, with NULs between. Nodes that can be used or say why not, or an error of a known
// kind that takes nothing away.

namespace {

/// Gives `size` bytes at a time, as a connection may.
class Portions : public std::streambuf {
  public:
    Portions(std::string_view text, std::size_t size) : rest_(text), size_(size) {}

  protected:
    int_type underflow() override {
        portion_ = rest_.substr(0, size_);
        rest_.remove_prefix(portion_.size());
        setg(portion_.data(), portion_.data(), portion_.data() + portion_.size());
        return portion_.empty() ? traits_type::eof() : traits_type::to_int_type(portion_.front());
    }

  private:
    std::string_view rest_;
    std::size_t size_;
    std::string portion_;
};

void expect_sound(const agent::Roster& roster) {
    std::string before;
    for (const agent::Candidate& candidate : roster) {
        expect(&candidate == &roster.front() || before < candidate.name, "each Node is there once");
        before = candidate.name;
        expect(candidate.node.has_value() == candidate.waits_for.empty(),
               "what is no node says what it waits for");
        expect(!candidate.wrong || !candidate.node, "what is wrong is no node");
        if (!candidate.node)
            continue;
        expect(candidate.node->name == candidate.name, "a node has its Node's name");
        const json::Value written = mesh::to_json(*candidate.node);
        expect(mesh::read_node(json::Field(written)) == *candidate.node, "a node can be written");
    }
}

/// How a step went; what it throws is of a known kind, and leaves the nodes as they were.
template <typename Step>
std::string attempt(agent::KubeNodes& nodes, Step step) {
    const agent::Roster before = nodes.roster();
    std::string outcome;
    try {
        return step();
    } catch (const json::SyntaxError& error) {
        outcome = error.what();
    } catch (const json::FieldError& error) {
        outcome = error.what();
    } catch (const agent::Refused& error) {
        outcome = std::string(error.what()) + (error.gone ? " gone" : "");
        expect(outcome.starts_with("the watch ended: "), "a refusal says of what");
    }
    expect(nodes.roster() == before, "an error takes nothing away");
    return outcome + '\n';
}

std::string list(agent::KubeNodes& nodes, std::string_view text, std::size_t portion) {
    Portions portions(text, portion);
    std::istream stream(&portions);
    const agent::Roster before = nodes.roster();
    return attempt(nodes, [&] {
        const std::string next = nodes.read_page(stream);
        expect(next.empty() || nodes.roster() == before,
               "what was known stays until the last page");
        return "next " + next + '\n';
    });
}

std::string watch(agent::KubeNodes& nodes, std::string_view text, std::size_t portion) {
    Portions portions(text, portion);
    std::istream stream(&portions);
    std::string outcome;
    for (bool goes_on = true; goes_on;) {
        const agent::Roster before = nodes.roster();
        goes_on = false; // nor does it behind an error
        outcome += attempt(nodes, [&] {
            const auto event = nodes.read_event(stream);
            goes_on = event.has_value();
            const bool is_news = event && event->is_news;
            expect(is_news == (nodes.roster() != before), "news is what changes the nodes");
            expect(!is_news || event->of_a_node, "a bookmark is no news");
            return (event ? "event of " : "end at ") + nodes.version() + '\n';
        });
    }
    return outcome;
}

std::string follow(std::string_view text, std::size_t portion) {
    agent::KubeNodes nodes;
    nodes.begin_list();
    std::string outcome;
    for (auto end = text.find('\0'); end != text.npos; end = text.find('\0')) {
        outcome += list(nodes, text.substr(0, end), portion);
        text.remove_prefix(end + 1);
    }
    outcome += watch(nodes, text, portion);
    const agent::Roster roster = nodes.roster();
    expect_sound(roster);
    expect(roster.size() == nodes.size(), "all are in the roster");
    for (const agent::Candidate& candidate : roster)
        outcome += candidate.name + ' ' + candidate.waits_for + '\n';
    return outcome;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string whole = follow(text, std::max<std::size_t>(size, 1));
    for (const std::size_t portion : {1U, 7U})
        expect(follow(text, portion) == whole, "portions are of no account");
    return 0;
}

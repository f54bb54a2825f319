#include "ipam/page_check.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <unistd.h>
#include <vector>

// The layout is that of LMDB 0.9 on a machine of 64 bits, from its mdb.c: MDB_page, MDB_node,
// MDB_meta and MDB_db. It is the machine's own byte order.

namespace ipam {

namespace {

using PageNumber = std::uint64_t;

constexpr std::size_t largest_page = 0x8000; // LMDB's MAX_PAGESIZE
/// LMDB takes the machine's: up to 64 KiB on arm64.
const std::size_t page_size =
    std::min(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), largest_page);
constexpr std::size_t page_header = 16;
constexpr std::size_t node_header = 8;
constexpr std::size_t longest_key = 511;
constexpr unsigned deepest = 32;
constexpr PageNumber no_page = ~PageNumber{0};

enum PageFlag : std::uint16_t { branch = 1, leaf = 2, overflow = 4, meta = 8 };
constexpr std::uint16_t big_data = 1;     // of a node: its value is in pages of its own
constexpr std::uint16_t integer_keys = 8; // of a tree

struct Broken {};

void require(bool condition) {
    if (!condition)
        throw Broken();
}

template <typename T>
T load(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

std::size_t even(std::size_t size) {
    return (size + 1) & ~std::size_t{1};
}

/// MDB_db
struct Tree {
    std::uint16_t flags;
    std::uint16_t depth;
    PageNumber root;
};

struct Node {
    std::uint16_t flags;
    std::string_view key;
    std::size_t value_size; ///< of a leaf
    const std::byte* value; ///< of a leaf: it, or the number of the page where it begins
    PageNumber child;       ///< of a branch
    std::size_t size;       ///< in the page
};

class Inspection {
  public:
    Inspection(std::span<const std::byte> file, std::size_t capacity)
        : file_(file), most_(std::max(capacity, file.size()) / page_size) {}

    void run() {
        require(file_.size() >= 2 * page_size);
        const std::byte* newest = read_meta(0);
        if (const std::byte* other = read_meta(1);
            load<std::uint64_t>(other + txn_at) > load<std::uint64_t>(newest + txn_at))
            newest = other;
        last_ = load<PageNumber>(newest + last_page_at);
        require(last_ >= 1 && last_ < most_);
        used_.assign(last_ + 1, false);
        const Tree free = read_tree(newest + free_tree_at);
        const Tree main = read_tree(newest + main_tree_at);
        constexpr std::uint16_t of_the_file = 0x4000; // MDB_NOSUBDIR, which is kept among them
        require((free.flags & ~of_the_file) == integer_keys && main.flags == 0);
        has_integer_keys_ = true;
        inspect(free);
        has_integer_keys_ = false;
        inspect(main);
        for (const PageNumber number : free_)
            take(number, 1);
    }

  private:
    // Where these are in a page of the kind meta.
    static constexpr std::size_t magic_at = page_header;
    static constexpr std::size_t version_at = magic_at + 4;
    static constexpr std::size_t free_tree_at = magic_at + 24;
    static constexpr std::size_t main_tree_at = free_tree_at + 48;
    static constexpr std::size_t last_page_at = main_tree_at + 48;
    static constexpr std::size_t txn_at = last_page_at + 8;

    const std::byte* read_meta(PageNumber number) const {
        const std::byte* page = file_.data() + number * page_size;
        require((flags_of(page) & meta) != 0 &&
                load<std::uint32_t>(page + magic_at) == 0xbeefc0de &&
                load<std::uint32_t>(page + version_at) == 1 &&
                load<std::uint32_t>(page + free_tree_at) == page_size);
        return page;
    }

    static Tree read_tree(const std::byte* at) {
        return {.flags = load<std::uint16_t>(at + 4),
                .depth = load<std::uint16_t>(at + 6),
                .root = load<PageNumber>(at + 40)};
    }

    static std::uint16_t flags_of(const std::byte* page) { return load<std::uint16_t>(page + 10); }

    /// Nothing else may be on these pages.
    void take(PageNumber first, std::size_t count) {
        require(first >= 2 && first <= last_ && count <= last_ + 1 - first);
        for (PageNumber number = first; number < first + count; ++number) {
            require(!used_[number]);
            used_[number] = true;
        }
    }

    const std::byte* page_at(PageNumber number, std::uint16_t kind) {
        take(number, 1);
        require((number + 1) * page_size <= file_.size());
        const std::byte* page = file_.data() + number * page_size;
        require(load<PageNumber>(page) == number && flags_of(page) == kind);
        return page;
    }

    static Node node_at(const std::byte* page, std::size_t offset, bool is_leaf) {
        require(offset % 2 == 0 && offset + node_header <= page_size);
        const std::byte* at = page + offset;
        const auto low = load<std::uint16_t>(at);
        const auto high = load<std::uint16_t>(at + 2);
        const auto flags = load<std::uint16_t>(at + 4);
        const std::size_t key_size = load<std::uint16_t>(at + 6);
        const std::size_t number = low | static_cast<std::size_t>(high) << 16;
        require(!is_leaf || flags == 0 || flags == big_data);
        const std::size_t in_page = !is_leaf ? 0 : flags == big_data ? sizeof(PageNumber) : number;
        const std::size_t size = even(node_header + key_size + in_page);
        require(offset + size <= page_size && key_size <= longest_key);
        return {.flags = flags,
                .key = {reinterpret_cast<const char*>(at + node_header), key_size},
                .value_size = number,
                .value = at + node_header + key_size,
                .child = number | static_cast<PageNumber>(flags) << 32,
                .size = size};
    }

    /// The nodes of a page fill its end, one behind the other in whichever order.
    static void require_apart(const std::byte* page, std::size_t upper, std::size_t count,
                              bool is_leaf) {
        std::bitset<largest_page> begins;
        for (std::size_t i = 0; i < count; ++i) {
            const auto offset = load<std::uint16_t>(page + page_header + 2 * i);
            require(offset >= upper && offset < page_size && !begins[offset]);
            begins[offset] = true;
        }
        std::size_t at = upper;
        for (; at < page_size; at += node_at(page, at, is_leaf).size, --count)
            require(begins[at]);
        require(at == page_size && count == 0);
    }

    /// How the keys of the tree are sorted.
    bool is_before(std::string_view a, std::string_view b) const {
        return has_integer_keys_ ? number_of(a) < number_of(b) : a < b;
    }

    static std::uint64_t number_of(std::string_view key) {
        return load<std::uint64_t>(reinterpret_cast<const std::byte*>(key.data()));
    }

    void inspect(const Tree& tree) {
        require((tree.root == no_page) == (tree.depth == 0) && tree.depth <= deepest);
        if (tree.root != no_page)
            inspect_page(tree.root, tree.depth, {}, {});
    }

    /// All keys are from `first` on and before `end`, where there are those.
    void inspect_page(PageNumber number, unsigned depth, std::optional<std::string_view> first,
                      std::optional<std::string_view> end) {
        const bool is_leaf = depth == 1;
        const std::byte* page = page_at(number, is_leaf ? leaf : branch);
        const std::size_t lower = load<std::uint16_t>(page + 12);
        const std::size_t upper = load<std::uint16_t>(page + 14);
        require(lower >= page_header && lower % 2 == 0 && lower <= upper && upper <= page_size);
        const std::size_t count = (lower - page_header) / 2;
        require(count >= (is_leaf ? 1U : 2U));
        require_apart(page, upper, count, is_leaf);
        const auto node = [&](std::size_t i) {
            return node_at(page, load<std::uint16_t>(page + page_header + 2 * i), is_leaf);
        };
        // The first key of a branch stands for all that are before the second.
        std::optional<std::string_view> before = first;
        for (std::size_t i = 0; i < count; ++i) {
            const Node here = node(i);
            if (is_leaf || i > 0) {
                require(has_integer_keys_ ? here.key.size() == sizeof(std::uint64_t)
                                          : !here.key.empty());
                require(!before ||
                        (i == 0 ? !is_before(here.key, *before) : is_before(*before, here.key)));
                require(!end || is_before(here.key, *end));
                before = here.key;
            }
            if (is_leaf) {
                inspect_value(here);
                continue;
            }
            const auto next = i + 1 < count ? std::optional(node(i + 1).key) : end;
            require(!has_integer_keys_ || !next || next->size() == sizeof(std::uint64_t));
            inspect_page(here.child, depth - 1, i > 0 ? std::optional(here.key) : first, next);
        }
    }

    void inspect_value(const Node& node) {
        const std::byte* value = node.value;
        if (node.flags == big_data) {
            const auto number = load<PageNumber>(value);
            const std::byte* page = page_at(number, overflow);
            const std::size_t count = load<std::uint32_t>(page + 12);
            require(count >= 1 && count <= most_ &&
                    node.value_size <= count * page_size - page_header &&
                    (number + count) * page_size <= file_.size());
            if (count > 1)
                take(number + 1, count - 1);
            value = page + page_header;
        }
        if (has_integer_keys_)
            list_free(value, node.value_size);
    }

    /// MDB_IDL: how many there are, and they from the greatest to the smallest.
    void list_free(const std::byte* value, std::size_t size) {
        require(size >= sizeof(std::uint64_t));
        const auto count = load<std::uint64_t>(value);
        require(count <= size / sizeof(std::uint64_t) - 1);
        PageNumber before = no_page;
        for (std::size_t i = 1; i <= count; ++i) {
            const auto number = load<PageNumber>(value + i * sizeof(PageNumber));
            require(number < before);
            free_.push_back(number);
            before = number;
        }
    }

    std::span<const std::byte> file_;
    PageNumber most_;
    PageNumber last_ = 0;
    std::vector<bool> used_;
    std::vector<PageNumber> free_;
    bool has_integer_keys_ = false; ///< of the tree that is looked at
};

} // namespace

bool holds_together(std::span<const std::byte> file, std::size_t capacity) {
    try {
        Inspection(file, capacity).run();
        return true;
    } catch (const Broken&) {
        return false;
    }
}

} // namespace ipam

#pragma once

#include "netlink/error.h"
#include "netlink/fd.h"
#include "netlink/request.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

struct iovec;
struct nlmsghdr;

namespace netlink {

/// A netlink socket: it speaks to the network namespace in which it was opened, wherever the
/// thread that uses it is.
///
/// Requests are pipelined: any number in one system call. The kernel works through them in
/// order within sendmsg(2) and answers each that fails, so only the last asks for an
/// acknowledgement: that it came proves that all before it were done. A request that fails does
/// not keep the kernel from those behind it.
///
/// Not for use by two threads at once.
class Socket {
  public:
    /// `protocol` is NETLINK_ROUTE (0) or another of netlink(7). Throws Error.
    explicit Socket(int protocol = 0);

    /// How one request went.
    struct Answer {
        std::optional<Error> error;
        Message reply; ///< what a GET request asked for
    };

    /// Sends the requests and collects an answer for each, in order. Throws Error only where
    /// the conversation itself fails.
    std::vector<Answer> exchange(const std::vector<Request>& requests);
    Answer exchange(Request request);

    /// The same; throws the error of the first request that failed and may not, after all were
    /// sent.
    void run(const std::vector<Request>& requests);
    void run(Request request);

    /// A single GET request. None where the kernel has no such thing: no device, no table,
    /// no route.
    Message find(Request request);

    /// The same question about many things, for a sixth of our own work for as many requests:
    /// `question` is sent `count` times, each time as `about` has changed it. `take` gets the
    /// kernel's reply, which lives until it returns, and leaves this socket alone; it is not called
    /// where the answer is an error. Throws Error where the conversation itself fails.
    void ask(const Request& question, std::size_t count,
             const std::function<void(std::size_t number, nlmsghdr* question)>& about,
             const std::function<void(std::size_t number, nlmsghdr* reply)>& take);

    /// The requests as one indivisible netfilter batch: all or none of them take effect.
    void transact(const std::vector<Request>& requests);

    /// A dump: calls `each` with every message, which lives until it returns; it leaves this socket
    /// alone. A dump that the kernel reports as interrupted by a change (NLM_F_DUMP_INTR) is
    /// repeated: `restart` is called, then `each` from the beginning.
    void dump(const Request& request, const std::function<void(nlmsghdr*)>& each,
              const std::function<void()>& restart);

  private:
    enum class Kind { pipeline, batch, dump };
    std::vector<Answer> exchange_chunk(const Request* requests, std::size_t count, Kind kind);
    void send(const Request* requests, std::size_t count, Kind kind);
    void send(iovec* parts, std::size_t count, const std::string& purpose);
    bool receive(bool wait, const std::string& purpose);
    template <typename Take>
    bool collect(std::uint32_t first, std::size_t count, const std::string& purpose, Take take);

    Fd fd_;
    int protocol_;
    std::uint32_t sequence_ = 0;
    std::unique_ptr<char[]> buffer_; ///< not cleared: a dump needs most of it, all else little
    std::size_t received_ = 0;
};

} // namespace netlink

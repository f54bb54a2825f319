#include "netlink/socket.h"

#include "netlink/datagram.h"
#include "netlink/message.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

namespace netlink {

namespace {

// As many requests a system call as keep their answers well inside the receive buffer.
constexpr std::size_t chunk = 64;
constexpr int kernel_buffer = 4 << 20;
constexpr std::size_t dump_buffer = 64 << 10;

void enable(int fd, int option) {
    const int on = 1;
    // Kernels before 4.20 lack strict checking; all that is lost with any of these is comfort.
    ::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
}

/// The kernel's sentence, where it said one: behind the header of the request or, uncapped, behind
/// the whole of it.
std::string_view sentence_of(const nlmsghdr* header, const nlmsgerr& report) {
    if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
        return {};
    std::size_t skip = sizeof report;
    if (!(header->nlmsg_flags & NLM_F_CAPPED) && report.msg.nlmsg_len > sizeof report.msg)
        skip += report.msg.nlmsg_len - sizeof report.msg;
    skip = NLMSG_ALIGN(skip);
    const auto length = static_cast<std::size_t>(nlmsg_datalen(header));
    if (skip >= length)
        return {};
    auto* first = reinterpret_cast<nlattr*>(static_cast<char*>(nlmsg_data(header)) + skip);
    return text_in(nla_find(first, static_cast<int>(length - skip), NLMSGERR_ATTR_MSG));
}

/// None where it says that all went well.
std::optional<Error> error_of(nlmsghdr* header, const std::string& purpose) {
    const auto& report = header_of<nlmsgerr>(header);
    const int number = number_of(report.error);
    if (number == 0)
        return std::nullopt;
    return Error(number, purpose, std::string(sentence_of(header, report)));
}

} // namespace

Socket::Socket(int protocol)
    : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)), protocol_(protocol),
      buffer_(std::make_unique_for_overwrite<char[]>(dump_buffer)) {
    if (!fd_)
        fail("open a netlink socket");
    static const bool set = [] { // for the messages that libnl builds by itself
        nlmsg_set_default_size(message_room);
        return true;
    }();
    (void)set;
    enable(fd_.get(), NETLINK_EXT_ACK);
    enable(fd_.get(), NETLINK_CAP_ACK);
    enable(fd_.get(), NETLINK_GET_STRICT_CHK);
    // Sizes are limits, not reservations; without the privilege the system's own stay.
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kernel_buffer, sizeof kernel_buffer);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kernel_buffer, sizeof kernel_buffer);
}

void Socket::send(const Request* requests, std::size_t count, Kind kind) {
    const bool batch = kind == Kind::batch;
    std::vector<iovec> parts;
    parts.reserve(count + 2);
    struct {
        nlmsghdr header;
        nfgenmsg body;
    } begin{}, end{};
    if (batch) {
        begin.header = {sizeof begin, NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, sequence_++, 0};
        begin.body = {AF_UNSPEC, NFNETLINK_V0, htons(NFNL_SUBSYS_NFTABLES)};
        parts.push_back({&begin, sizeof begin});
    }
    for (std::size_t i = 0; i < count; ++i) {
        nlmsghdr* header = nlmsg_hdr(requests[i].message.get());
        header->nlmsg_seq = sequence_++;
        header->nlmsg_flags |= NLM_F_REQUEST;
        if (i + 1 == count && kind != Kind::dump)
            header->nlmsg_flags |= NLM_F_ACK;
        parts.push_back({header, header->nlmsg_len});
    }
    if (batch) {
        end = begin;
        end.header.nlmsg_type = NFNL_MSG_BATCH_END;
        end.header.nlmsg_seq = sequence_++;
        parts.push_back({&end, sizeof end});
    }
    send(parts.data(), parts.size(), requests[0].purpose);
}

void Socket::send(iovec* parts, std::size_t count, const std::string& purpose) {
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    msghdr message{};
    message.msg_name = &kernel;
    message.msg_namelen = sizeof kernel;
    message.msg_iov = parts;
    message.msg_iovlen = count;
    while (::sendmsg(fd_.get(), &message, 0) < 0)
        if (errno != EINTR)
            fail(purpose);
}

bool Socket::receive(bool wait, const std::string& purpose) {
    for (;;) {
        const ssize_t size = receive_from_kernel(fd_.get(), buffer_.get(), dump_buffer,
                                                 (wait ? 0 : MSG_DONTWAIT) | MSG_TRUNC);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return false;
        if (size < 0)
            fail(purpose);
        if (static_cast<std::size_t>(size) > dump_buffer)
            throw Error(EMSGSIZE, purpose, "the kernel's answer is too long");
        received_ = static_cast<std::size_t>(size);
        return true;
    }
}

/// Calls `take` with the kernel's answers to the `count` messages from number `first` on, as far as
/// that of the last, which is an acknowledgement or an error. Says whether that was there.
template <typename Take>
bool Socket::collect(std::uint32_t first, std::size_t count, const std::string& purpose,
                     Take take) {
    bool complete = false;
    // All answers are there when sendmsg returns: waiting for one that does not come would hang.
    while (!complete && receive(false, purpose)) {
        int left = static_cast<int>(received_);
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer_.get()); nlmsg_ok(header, left);
             header = nlmsg_next(header, &left)) {
            const std::size_t number = header->nlmsg_seq - first;
            if (number >= count)
                continue; // left over from a dump that was given up
            take(number, header);
            complete = complete || (number == count - 1 && header->nlmsg_type == NLMSG_ERROR);
        }
    }
    return complete;
}

std::vector<Socket::Answer> Socket::exchange_chunk(const Request* requests, std::size_t count,
                                                   Kind kind) {
    const bool batch = kind == Kind::batch; // which has a message at each end
    std::vector<Answer> answers(count);
    const std::uint32_t first = sequence_;
    send(requests, count, kind);
    bool failed = false;
    const auto take = [&](std::size_t number, nlmsghdr* header) {
        // One that fails as a whole is answered under the number of its beginning.
        const std::size_t at = batch ? std::clamp<std::size_t>(number, 1, count) - 1 : number;
        Answer& answer = answers[at];
        if (header->nlmsg_type != NLMSG_ERROR) {
            answer.reply.reset(allocated(nlmsg_convert(header)));
        } else if (auto error = error_of(header, requests[at].purpose)) {
            failed = true;
            if (!answer.error)
                answer.error = std::move(error);
        }
    };
    const bool complete = collect(first, batch ? count + 2 : count, requests[0].purpose, take);
    if (!complete && !failed && !batch)
        throw Error(EPROTO, requests[count - 1].purpose, "the kernel did not answer");
    return answers;
}

std::vector<Socket::Answer> Socket::exchange(const std::vector<Request>& requests) {
    std::vector<Answer> answers;
    answers.reserve(requests.size());
    for (std::size_t done = 0; done < requests.size(); done += chunk) {
        auto part = exchange_chunk(&requests[done], std::min(chunk, requests.size() - done),
                                   Kind::pipeline);
        std::ranges::move(part, std::back_inserter(answers));
    }
    return answers;
}

Socket::Answer Socket::exchange(Request request) {
    return std::move(exchange_chunk(&request, 1, Kind::pipeline).front());
}

void Socket::run(const std::vector<Request>& requests) {
    const auto answers = exchange(requests);
    for (std::size_t i = 0; i < answers.size(); ++i)
        if (answers[i].error && !requests[i].may_fail)
            throw *answers[i].error;
}

void Socket::run(Request request) {
    if (const Answer answer = exchange(std::move(request)); answer.error)
        throw *answer.error;
}

Message Socket::find(Request request) {
    Answer answer = exchange(std::move(request));
    if (const auto& error = answer.error) {
        constexpr std::array absent{ENODEV, ENOENT, ESRCH, ENETUNREACH, EHOSTUNREACH};
        if (std::ranges::find(absent, error->number()) == absent.end())
            throw *error;
        return nullptr;
    }
    return std::move(answer.reply);
}

void Socket::ask(const Request& question, std::size_t count,
                 const std::function<void(std::size_t number, nlmsghdr* question)>& about,
                 const std::function<void(std::size_t number, nlmsghdr* reply)>& take) {
    const nlmsghdr* const model = nlmsg_hdr(question.message.get());
    const std::size_t size = NLMSG_ALIGN(model->nlmsg_len);
    std::vector<char> messages(std::min(chunk, count) * size);
    for (std::size_t done = 0; done < count; done += chunk) {
        const std::size_t some = std::min(chunk, count - done);
        const std::uint32_t first = sequence_;
        nlmsghdr* header = nullptr;
        for (std::size_t i = 0; i < some; ++i) {
            header = reinterpret_cast<nlmsghdr*>(&messages[i * size]);
            std::memcpy(header, model, model->nlmsg_len);
            header->nlmsg_seq = sequence_++;
            header->nlmsg_flags |= NLM_F_REQUEST;
            about(done + i, header);
        }
        header->nlmsg_flags |= NLM_F_ACK;
        iovec part{messages.data(), some * size};
        send(&part, 1, question.purpose);
        const auto pass_on = [&](std::size_t number, nlmsghdr* answer) {
            if (answer->nlmsg_type != NLMSG_ERROR)
                take(done + number, answer);
        };
        if (!collect(first, some, question.purpose, pass_on))
            throw Error(EPROTO, question.purpose, "the kernel did not answer");
    }
}

void Socket::transact(const std::vector<Request>& requests) {
    for (const Answer& answer : exchange_chunk(requests.data(), requests.size(), Kind::batch))
        if (answer.error)
            throw *answer.error;
}

void Socket::dump(const Request& request, const std::function<void(nlmsghdr*)>& each,
                  const std::function<void()>& restart) {
    for (;;) {
        const std::uint32_t sequence = sequence_;
        nlmsg_hdr(request.message.get())->nlmsg_flags |= NLM_F_DUMP;
        send(&request, 1, Kind::dump);
        bool interrupted = false;
        for (bool done = false; !done;) {
            receive(true, request.purpose);
            int left = static_cast<int>(received_);
            for (auto* header = reinterpret_cast<nlmsghdr*>(buffer_.get()); nlmsg_ok(header, left);
                 header = nlmsg_next(header, &left)) {
                if (header->nlmsg_seq != sequence)
                    continue;
                interrupted = interrupted || (header->nlmsg_flags & NLM_F_DUMP_INTR);
                if (header->nlmsg_type == NLMSG_ERROR) {
                    if (const auto error = error_of(header, request.purpose))
                        throw *error;
                } else if (header->nlmsg_type == NLMSG_DONE) {
                    done = true;
                    int result = 0;
                    if (nlmsg_datalen(header) >= static_cast<int>(sizeof result))
                        result = *static_cast<const int*>(nlmsg_data(header));
                    if (const int number = number_of(result); number != 0)
                        throw Error(number, request.purpose);
                } else {
                    each(header);
                }
            }
        }
        if (!interrupted)
            return;
        restart();
    }
}

} // namespace netlink

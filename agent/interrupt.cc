#include "agent/interrupt.h"

#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace agent {

Interrupt::Interrupt() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (fd_ < 0)
        throw std::system_error(errno, std::generic_category(), "cannot make an eventfd");
}

Interrupt::~Interrupt() {
    ::close(fd_);
}

void Interrupt::interrupt() {
    ::eventfd_write(fd_, 1); // never read, so it stays
}

bool Interrupt::sleep(std::chrono::milliseconds time) const {
    pollfd wait{fd_, POLLIN, 0};
    return ::poll(&wait, 1, static_cast<int>(time.count())) == 0;
}

Interrupt::Found Interrupt::wait_for(int other, std::chrono::milliseconds time) const {
    std::array<pollfd, 2> waits{{{fd_, POLLIN, 0}, {other, POLLIN, 0}}};
    const int limit = static_cast<int>(time.count());
    int ready = 0;
    while ((ready = ::poll(waits.data(), waits.size(), limit)) < 0)
        if (errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "cannot wait");
    if (waits[0].revents != 0)
        return Found::interrupted;
    return ready == 0 ? Found::nothing : Found::input;
}

} // namespace agent

#include "agent/mailbox.h"

#include <cerrno>
#include <sys/eventfd.h>
#include <system_error>
#include <utility>

namespace agent {

Mailbox::Mailbox() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event_)
        throw std::system_error(errno, std::generic_category(), "cannot make an eventfd");
}

void Mailbox::put(Roster roster) {
    {
        const std::lock_guard guard(mutex_);
        roster_ = std::move(roster);
    }
    ::eventfd_write(event_.get(), 1);
}

std::optional<Roster> Mailbox::take() {
    eventfd_t count = 0;
    ::eventfd_read(event_.get(), &count);
    const std::lock_guard guard(mutex_);
    return std::exchange(roster_, std::nullopt);
}

} // namespace agent

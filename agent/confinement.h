#pragma once

namespace agent {

/// From now on this process, with the threads that it starts later, has only those system calls
/// that an agent needs (seccomp(2), libseccomp). It can start no program, enter no namespace, mount
/// nothing, trace no other process and open no packet or raw socket. What is not on the list fails
/// with ENOSYS, so that a library that has another way takes it. Cannot be undone; sets
/// no_new_privs. To be called before there are threads.
///
/// Throws std::system_error where the kernel refuses the filter, or the list is not that of this
/// architecture.
void confine();

} // namespace agent

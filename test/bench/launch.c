// Runs programs and tells what they took, without the costs of who wants to know: this one is small
// and static, so starting a program from it is as cheap as it gets, and the memory that the kernel
// counts as the program's is not its starter's.
//
//   launch COUNT PROGRAM [ARGUMENT...]   COUNT at once
//
// In the arguments and in CNI_CONTAINERID and CNI_NETNS "%" stands for the number of each, from 0
// on. Their standard input is the file that LAUNCH_INPUT names. Tells on descriptor 3: the
// microseconds until the last has ended, processor microseconds of all, KiB of the largest, and how
// many failed.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { most = 64, longest = 256 };

static void fail(const char* what) {
    fprintf(stderr, "launch: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int64_t microseconds(struct timeval time) {
    return time.tv_sec * 1000000LL + time.tv_usec;
}

static void number(char* to, const char* pattern, int n) {
    const char* mark = strchr(pattern, '%');
    if (mark == NULL)
        snprintf(to, longest, "%s", pattern);
    else
        snprintf(to, longest, "%.*s%d%s", (int)(mark - pattern), pattern, n, mark + 1);
}

int main(int argc, char** argv) {
    static char words[most][longest], variables[2][longest], *arguments[most + 1];
    const char* const names[2] = {"CNI_CONTAINERID", "CNI_NETNS"};
    const char* patterns[2] = {getenv(names[0]), getenv(names[1])};
    if (argc < 3 || argc > most)
        return fputs("launch: see the head of launch.c for what it does\n", stderr), 2;
    if (getenv("LAUNCH_INPUT") == NULL)
        setenv("LAUNCH_INPUT", "/dev/null", 1);
    const int count = atoi(argv[1]);
    const int64_t begin = now();
    for (int n = 0; n < count; ++n) {
        for (int i = 2; i < argc; ++i) {
            number(words[i], argv[i], n);
            arguments[i - 2] = words[i];
        }
        for (int i = 0; i < 2; ++i)
            if (patterns[i] != NULL) {
                number(variables[i], patterns[i], n);
                setenv(names[i], variables[i], 1);
            }
        const pid_t process = vfork();
        if (process < 0)
            fail("vfork");
        if (process == 0) {
            const int input = open(getenv("LAUNCH_INPUT"), O_RDONLY | O_CLOEXEC);
            if (input < 0 || dup2(input, 0) < 0)
                _exit(127);
            execv(arguments[0], arguments);
            _exit(127);
        }
    }
    int64_t processor = 0;
    long memory = 0;
    int failed = 0;
    for (int n = 0; n < count; ++n) {
        int status;
        struct rusage usage;
        if (wait4(-1, &status, 0, &usage) < 0)
            fail("wait4");
        processor += microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
        memory = usage.ru_maxrss > memory ? usage.ru_maxrss : memory;
        failed += status != 0;
    }
    const int64_t end = now();
    dprintf(3, "%.1f %lld %ld %d\n", (double)(end - begin) / 1000, (long long)processor, memory,
            failed);
    return 0;
}

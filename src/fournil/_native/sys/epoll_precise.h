/* epoll_wait counts milliseconds; epoll_pwait2 (Linux 5.11) counts nanoseconds. Older
 * kernels answer ENOSYS and some sandboxes EPERM: the wait is then rounded up to the next
 * millisecond, so that a timer never fires early. */
#ifndef FOURNIL_EPOLL_PRECISE_H
#define FOURNIL_EPOLL_PRECISE_H

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/* Written at the first refusal, by whichever thread meets it; all write the same value. */
static int epoll_pwait2_refused = 0;

/* timeout_ns: negative waits without end, zero only looks. */
static inline int epoll_wait_ns(int epfd, struct epoll_event *events, int maxevents, long long timeout_ns) {
    if (timeout_ns > 0 && !__atomic_load_n(&epoll_pwait2_refused, __ATOMIC_RELAXED)) {
        struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
        int count = (int)syscall(SYS_epoll_pwait2, epfd, events, maxevents, &timeout, NULL, 0);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))
            return count;
        __atomic_store_n(&epoll_pwait2_refused, 1, __ATOMIC_RELAXED);
    }
    int timeout_ms = -1;
    if (timeout_ns >= 0) {
        long long rounded = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
        timeout_ms = rounded > INT_MAX ? INT_MAX : (int)rounded;
    }
    return epoll_wait(epfd, events, maxevents, timeout_ms);
}
#endif

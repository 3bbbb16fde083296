/* Descriptors that the program does not know of are kept out of its way: it opens files and
 * counts on the lowest numbers, and closes all numbers up to some limit. A high one costs the
 * kernel a larger table, of 8 bytes a number, which each fork copies: so not a very high one. */
#ifndef FOURNIL_DESCRIPTORS_H
#define FOURNIL_DESCRIPTORS_H

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DESCRIPTORS_OF_OURS = 960 };

/* Move a descriptor to a high number and return that; where there is no room, leave it. A
 * negative number is returned as it is, with errno unchanged. */
static inline int out_of_the_way(int fd) {
    if (fd < 0)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, DESCRIPTORS_OF_OURS);
    if (moved < 0)
        return fd;
    close(fd);
    return moved;
}

/* From which number on no descriptor can be opened now. */
static inline long descriptor_limit(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (long)limit.rlim_cur : 0;
}

#endif

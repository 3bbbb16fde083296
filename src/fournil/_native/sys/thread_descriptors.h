/* The descriptors of threads that are none of the program's.
 *
 * A program may close every number that it does not know, as daemons do, and open files of its
 * own with these numbers; it may count on the lowest free number being the next. So such a thread
 * has a table of descriptors of its own, which begins empty and which the program's calls do not
 * reach.
 *
 * Some sandboxes refuse that. There the numbers lie among the program's, out of its way, and each
 * is used and closed only as long as it is the file that was opened: what is read by then is
 * read at an offset, which moves nothing in a file of the program's. */
#ifndef FOURNIL_THREAD_DESCRIPTORS_H
#define FOURNIL_THREAD_DESCRIPTORS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum {
    DESCRIPTORS_UNSHARE = 2, /* CLOSE_RANGE_UNSHARE of close_range, Linux 5.9 */
    DESCRIPTORS_FILES = 0x400 /* CLONE_FILES of unshare */
};

/* One that is open for reading; with nothing but zeros, none. */
typedef struct {
    int opened;
    int fd;
    int shared;     /* whether its number is one of the program's table */
    dev_t device;   /* of a shared one */
    ino_t inode;
} Descriptor;

/* Close all numbers of a table that is a copy of the program's: an end of a pipe that it closes
 * must not stay open here. */
static inline void descriptors_close_all(void) {
    DIR *folder = opendir("/proc/thread-self/fd");
    if (folder == NULL) {
        struct rlimit most = {1024, 1024};
        getrlimit(RLIMIT_NOFILE, &most);
        for (rlim_t fd = 0; fd < most.rlim_max && fd < 1 << 20; fd++)
            close((int)fd);
        return;
    }
    int own = dirfd(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != own)
            close(fd);
    }
    closedir(folder);
}

/* Give the calling thread an empty table of its own. Returns whether it has one. */
static inline int descriptors_apart(void) {
    if (syscall(SYS_close_range, 0, ~0u, DESCRIPTORS_UNSHARE) == 0)
        return 1;
    if (syscall(SYS_unshare, DESCRIPTORS_FILES) != 0)
        return 0;
    descriptors_close_all();
    return 1;
}

/* Open a file for reading, by a path from a folder on; `apart` is what descriptors_apart said. */
static inline Descriptor descriptor_open(const Descriptor *folder, const char *path, int flags,
                                         int apart) {
    Descriptor made = {0, 0, !apart, 0, 0};
    struct stat status;
    int from = folder == NULL ? AT_FDCWD : folder->fd;
    made.fd = openat(from, path, O_RDONLY | O_CLOEXEC | flags);
    made.opened = made.fd >= 0;
    if (made.opened && made.shared) {
        made.fd = out_of_the_way(made.fd);
        if (fstat(made.fd, &status) == 0) {
            made.device = status.st_dev;
            made.inode = status.st_ino;
        }
    }
    return made;
}

/* Whether a number is still the file that was opened. */
static inline int descriptor_is_ours(const Descriptor *one) {
    struct stat status;
    return one->opened &&
           (!one->shared || (fstat(one->fd, &status) == 0 && status.st_dev == one->device &&
                             status.st_ino == one->inode));
}

/* Open a file where it is not open yet, or any more: a number that lies among the program's may
 * have been closed by it. */
static inline void descriptor_reopen(Descriptor *one, const char *path, int flags, int apart) {
    if (!descriptor_is_ours(one))
        *one = descriptor_open(NULL, path, flags, apart);
}

/* Read from an offset on; -1 where there is nothing to read from. */
static inline ssize_t descriptor_read(const Descriptor *one, void *to, size_t size, off_t offset) {
    return descriptor_is_ours(one) ? pread(one->fd, to, size, offset) : -1;
}

static inline void descriptor_close(Descriptor *one) {
    if (descriptor_is_ours(one))
        close(one->fd);
    one->opened = 0;
}

#endif

/* The floor: an echo server that is nothing but epoll, read and write.
 *
 *     epoll_echo tcp:0|unix:PATH
 *
 * Prints the address that it listens on, serves until its standard input ends. A connection
 * whose peer does not read is not read from until the rest of its echo is written.
 */

#define _GNU_SOURCE

#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "address.h"

enum { READ_AT_ONCE = 256 * 1024, EVENTS = 256 };

struct connection {
    int fd;
    char *rest; /* what the kernel did not take; NULL: nothing */
    size_t rest_size;
};

static char received[READ_AT_ONCE];

static void watch(int epoll, int operation, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(epoll, operation, fd, &event) < 0)
        fail(errno, "epoll_ctl");
}

static void drop(struct connection *c)
{
    close(c->fd);
    free(c->rest);
    free(c);
}

static void keep(struct connection *c, const char *data, size_t size)
{
    char *rest = malloc(size);
    if (!rest)
        fail(ENOMEM, "%zu bytes", size);
    memcpy(rest, data, size);
    free(c->rest);
    c->rest = rest;
    c->rest_size = size;
}

/* Returns whether all was written; the connection is gone if not and nothing is kept. */
static bool echo(int epoll, struct connection *c, const char *data, size_t size)
{
    ssize_t written = write(c->fd, data, size);
    if (written < 0 && errno != EAGAIN) {
        drop(c);
        return false;
    }
    if (written < 0)
        written = 0;
    if ((size_t)written == size)
        return true;
    bool waited = c->rest;
    keep(c, data + written, size - (size_t)written);
    if (!waited)
        watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLOUT, c);
    return false;
}

static void serve(int epoll, struct connection *c)
{
    if (c->rest) {
        if (!echo(epoll, c, c->rest, c->rest_size))
            return;
        free(c->rest);
        c->rest = NULL;
        watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
        return;
    }
    ssize_t size = read(c->fd, received, sizeof received);
    if (size > 0)
        echo(epoll, c, received, (size_t)size);
    else if (size == 0 || errno != EAGAIN)
        drop(c);
}

static void accept_all(int epoll, int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = calloc(1, sizeof *c);
        if (!c)
            fail(ENOMEM, "a connection");
        c->fd = fd;
        watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, c);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        fail(errno, "accept");
}

int main(int count, char **arguments)
{
    if (count != 2)
        fail(0, "usage: epoll_echo tcp:0|unix:PATH");
    struct address at = parse_address(arguments[1]);
    int listener = socket(at.any.sa_family, at.type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, &at.any, at.length) < 0 || listen(listener, 4096) < 0)
        fail(errno, "listen on %s", arguments[1]);
    getsockname(listener, &at.any, &at.length);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, &listener);
    watch(epoll, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, NULL);
    if (at.any.sa_family == AF_INET)
        printf("tcp:%d\n", ntohs(at.inet.sin_port));
    else
        printf("%s\n", arguments[1]);
    fflush(stdout);
    struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        if (ready < 0 && errno != EINTR)
            fail(errno, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (!events[i].data.ptr)
                return 0;
            if (events[i].data.ptr == &listener)
                accept_all(epoll, listener);
            else
                serve(epoll, events[i].data.ptr);
        }
    }
}

/* The floor of a call in a process: two processes on two cores, a message of 64 bytes there and
 * back over a pair of sockets, the one that asks waiting in epoll as a loop does.
 *
 *     socket_hop CORE OTHER_CORE SECONDS
 *
 * Prints how many nanoseconds there and back took, and how many of the asking processor's.
 */

#define _GNU_SOURCE

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hop.h"

enum { WARM_UP = 200, SIZE = 64 };

static void answer(int socket)
{
    char message[SIZE];
    ssize_t size;
    while ((size = recv(socket, message, sizeof message, 0)) > 0)
        if (send(socket, message, (size_t)size, MSG_NOSIGNAL) != size)
            break;
}

static void hop(int socket, int epoll)
{
    char message[SIZE] = {0};
    struct epoll_event event;
    if (send(socket, message, sizeof message, 0) != SIZE)
        fail(errno, "send");
    if (epoll_wait(epoll, &event, 1, -1) != 1 || recv(socket, message, sizeof message, 0) != SIZE)
        fail(errno, "no answer");
}

int main(int count, char **arguments)
{
    if (count != 4)
        fail(0, "usage: socket_hop CORE OTHER_CORE SECONDS");
    double seconds = atof(arguments[3]), began, took, cpu;
    long hops = 0;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        fail(errno, "socketpair");
    pid_t other = fork();
    if (other < 0)
        fail(errno, "fork");
    if (other == 0) {
        close(pair[0]);
        keep_to(atoi(arguments[2]));
        answer(pair[1]);
        return 0;
    }
    close(pair[1]);
    keep_to(atoi(arguments[1]));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event readable = {.events = EPOLLIN};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &readable))
        fail(errno, "epoll");
    for (int i = 0; i < WARM_UP; i++)
        hop(pair[0], epoll);
    began = now(CLOCK_MONOTONIC);
    cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    do {
        hop(pair[0], epoll);
        hops++;
    } while ((took = now(CLOCK_MONOTONIC) - began) < seconds);
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%.1f %.1f\n", took / (double)hops * 1e9, cpu / (double)hops * 1e9);
    return 0;
}

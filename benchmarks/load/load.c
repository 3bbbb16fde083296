/* The client of an echo server, or of an HTTP server: sends messages, waits for their echoes, says how long it took.
 *
 * Prints one JSON object: operations, seconds, lost (datagrams without an echo) and latencies in
 * microseconds, and with --server the processor time that the server took for an operation.
 * Each connection's first echo is compared with what was sent.
 */

#define _GNU_SOURCE

#include <inttypes.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#include "histogram.h"
#include "http.h"
#include "options.h"
#include "wire.h"

enum { EVENTS = 256, READ_AT_ONCE = 256 * 1024 };

#define SECOND 1000000000ull
#define LOST_AFTER (SECOND / 5) /* a datagram's echo */

struct connection {
    struct wire wire;
    bool busy, checked;
    size_t sent, received;
    uint64_t begun; /* when its message was sent, or was due to be */
    uint64_t next;  /* the number of its next message; with a rate only */
};

static struct options options;
static struct connection *connections;
static struct histogram latencies;
static uint64_t completed, lost;
static bool counting; /* the warm-up is over */
static uint64_t warm_at, counting_from, counting_until;
static uint64_t scheduled_from, next_due; /* the schedule of a given rate */
static int epoll;
static char *message;
static size_t answer_size;
static char received[READ_AT_ONCE];

static clockid_t server_clock;
static uint64_t server_cpu_before;

static uint64_t read_clock(clockid_t clock)
{
    struct timespec at;
    if (clock_gettime(clock, &at) < 0)
        fail(errno, "the clock of process %d", options.server);
    return (uint64_t)at.tv_sec * SECOND + (uint64_t)at.tv_nsec;
}

static uint64_t now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* ---- one connection ---- */

static void open_connection(struct connection *c)
{
    c->wire = wire_open(&options.to, options.tls);
    wire_nonblocking(&c->wire);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->wire.fd, &event) < 0)
        fail(errno, "epoll_ctl");
}

static void send_rest(struct connection *c)
{
    while (c->sent < options.size) {
        ssize_t sent = wire_write(&c->wire, message + c->sent, options.size - c->sent);
        if (sent == WAIT)
            return;
        if (sent == ENDED)
            fail(0, "the server closed a connection before it had read the message");
        c->sent += (size_t)sent;
    }
}

static void begin(struct connection *c, uint64_t at)
{
    c->busy = true;
    c->sent = c->received = 0;
    c->begun = at;
    send_rest(c);
}

static uint64_t due(uint64_t number)
{
    return scheduled_from + (uint64_t)((double)number * (double)SECOND / options.rate);
}

static void complete(struct connection *c)
{
    uint64_t at = now();
    completed++;
    if (counting)
        record(&latencies, at - c->begun);
    c->busy = false;
    c->checked = true;
    if (options.reconnect) {
        wire_close(&c->wire);
        at = now();
        open_connection(c);
    }
    if (!options.rate) {
        begin(c, at);
    } else if (c->next < next_due) {
        begin(c, due(c->next));
        c->next += (uint64_t)options.connections;
    }
}

static void receive(struct connection *c)
{
    while (c->busy) {
        ssize_t got = wire_read(&c->wire, received, sizeof received);
        if (got == WAIT)
            return;
        if (got == ENDED)
            fail(0, "the server closed a connection after %zu of %zu bytes", c->received,
                 answer_size);
        if (c->received + (size_t)got > answer_size)
            fail(0, "the server sent more than %zu bytes", answer_size);
        if (!c->checked && !options.path && memcmp(received, message + c->received, (size_t)got))
            fail(0, "what the server sent back is not what it got");
        c->received += (size_t)got;
        if (c->received == answer_size) {
            complete(c);
            return;
        }
        if (!c->wire.ssl && (size_t)got < sizeof received)
            return; /* edge-triggered: a short read has emptied the socket */
    }
}

/* ---- all of them ---- */

static void send_what_is_due(uint64_t at)
{
    for (; due(next_due) <= at; next_due++) {
        struct connection *c = &connections[next_due % (uint64_t)options.connections];
        if (!c->busy && c->next == next_due) {
            begin(c, due(next_due));
            c->next += (uint64_t)options.connections;
        }
    }
}

static void send_lost_again(uint64_t at)
{
    for (int i = 0; i < options.connections; i++) {
        struct connection *c = &connections[i];
        if (c->busy && at - c->begun > LOST_AFTER) {
            lost++;
            begin(c, at);
        }
    }
}

/* On a machine that is busy a time may pass without an echo: as many echoes as there are
 * connections belong to the warm-up, and to what is counted. */
static bool is_over(uint64_t at, uint64_t until, uint64_t echoes)
{
    return at >= until && echoes >= (uint64_t)options.connections;
}

static void start_counting(uint64_t at)
{
    counting = true;
    counting_from = at;
    counting_until = at + (uint64_t)(options.seconds * (double)SECOND);
    if (options.server)
        server_cpu_before = read_clock(server_clock);
}

static void run(void)
{
    struct epoll_event events[EVENTS];
    bool datagrams = options.to.type == SOCK_DGRAM;
    uint64_t at = now();
    uint64_t lost_looked_for = at;
    uint64_t progress = completed, progressed = at;
    while (options.operations ? completed < options.operations
                              : !counting || !is_over(at, counting_until, latencies.count)) {
        uint64_t wait = SECOND / 20;
        if (options.rate) {
            send_what_is_due(at);
            wait = due(next_due) - at;
        }
        struct timespec timeout = {.tv_sec = (time_t)(wait / SECOND), .tv_nsec = (long)(wait % SECOND)};
        int ready = epoll_pwait2(epoll, events, EVENTS, &timeout, NULL);
        if (ready < 0 && errno != EINTR)
            fail(errno, "epoll_pwait2");
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c->busy)
                continue;
            send_rest(c);
            receive(c);
        }
        at = now();
        if (!counting && is_over(at, warm_at, completed))
            start_counting(at);
        if (datagrams && at - lost_looked_for > SECOND / 10) {
            send_lost_again(at);
            lost_looked_for = at;
        }
        if (completed != progress) {
            progress = completed;
            progressed = at;
        } else if (at - progressed > 10 * SECOND) {
            fail(0, "no echo for 10 s");
        }
    }
}

static void open_idle(void)
{
    for (int i = 0; i < options.idle; i++) {
        struct wire w = wire_open(&options.to, options.tls);
        size_t sent = 0, got = 0;
        while (sent < options.size) {
            ssize_t n = wire_write(&w, message + sent, options.size - sent);
            if (n < 0)
                fail(0, "the server closed idle connection %d", i);
            sent += (size_t)n;
        }
        while (got < options.size) {
            ssize_t n = wire_read(&w, received, sizeof received);
            if (n < 0)
                fail(0, "the server closed idle connection %d", i);
            got += (size_t)n;
        }
    }
    puts("idle");
    fflush(stdout);
    char line[16];
    if (!fgets(line, sizeof line, stdin))
        fail(0, "no line on stdin: not measured");
}

static void make_message(void)
{
    if (options.path) {
        message = http_request(options.path);
        options.size = strlen(message);
        answer_size = http_answer_size(&options.to, options.tls, message);
        return;
    }
    message = malloc(options.size);
    if (!message)
        fail(ENOMEM, "%zu bytes", options.size);
    for (size_t i = 0; i < options.size; i++)
        message[i] = (char)('a' + i % 23);
    message[options.size - 1] = '\n';
    answer_size = options.size;
}

static void report(void)
{
    double seconds = (double)(now() - counting_from) / (double)SECOND;
    printf("{\"operations\": %" PRIu64 ", \"seconds\": %.6f, \"lost\": %" PRIu64, latencies.count,
           seconds, lost);
    if (options.server)
        printf(", \"server_cpu_us\": %.4f",
               (double)(read_clock(server_clock) - server_cpu_before) / 1e3 /
                   (double)(latencies.count ? latencies.count : 1));
    printf(", \"latency_us\": {\"p50\": %.3f, \"p99\": %.3f, \"p99.9\": %.3f, \"max\": %.3f}}\n",
           percentile(&latencies, 50) / 1e3, percentile(&latencies, 99) / 1e3,
           percentile(&latencies, 99.9) / 1e3, (double)latencies.max / 1e3);
}

int main(int count, char **arguments)
{
    options = parse_options(count, arguments);
    prctl(PR_SET_TIMERSLACK, 1);
    make_message();
    connections = calloc((size_t)options.connections, sizeof *connections);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || epoll < 0)
        fail(errno, "%d connections", options.connections);
    if (options.idle)
        open_idle();
    if (options.server && clock_getcpuclockid(options.server, &server_clock))
        fail(0, "there is no process %d", options.server);
    for (int i = 0; i < options.connections; i++)
        open_connection(&connections[i]);

    scheduled_from = now();
    warm_at = scheduled_from + (uint64_t)(options.warmup * (double)SECOND);
    if (options.operations)
        start_counting(scheduled_from);
    for (int i = 0; i < options.connections; i++) {
        connections[i].next = (uint64_t)i;
        if (!options.rate)
            begin(&connections[i], now());
    }
    run();
    report();
    return 0;
}

/* What io_uring would make of the floor: the same echo server over completions, not readiness.
 *
 *     uring_echo tcp:0|unix:PATH
 *
 * Prints the address that it listens on, serves until its standard input ends. All that the
 * kernel offers for this is used: one accept and one receive a connection that go on for ever,
 * into a ring of buffers that the kernel takes from by itself, and one call of the kernel that
 * submits what is to be sent and waits for what has come. A connection has one send at a time.
 */

#define _GNU_SOURCE

#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "address.h"

enum { ENTRIES = 4096, BUFFERS = 2048, BUFFER_SIZE = 64 * 1024, GROUP = 0 };

enum what { ACCEPT, RECEIVE, SEND, STDIN };

struct piece {
    uint16_t buffer;
    uint32_t size;
};

struct connection {
    int fd;
    bool receives, sends, ended;
    uint32_t sent;               /* of the first piece */
    uint32_t first, last;        /* of what waits to be sent; a buffer is in one piece at most */
    struct piece pieces[BUFFERS];
};

static int ring;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static uint32_t *sq_tail, *cq_head, *cq_tail, sq_mask, cq_mask, prepared;
static struct io_uring_buf_ring *buffers;
static uint16_t buffers_tail;
static char *memory;

static void enter(uint32_t wanted)
{
    while (syscall(SYS_io_uring_enter, ring, prepared, wanted, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        if (errno != EINTR)
            fail(errno, "io_uring_enter");
    prepared = 0;
}

static struct io_uring_sqe *prepare(uint8_t operation, int fd, enum what what, struct connection *c)
{
    if (prepared == ENTRIES)
        enter(0);
    struct io_uring_sqe *sqe = &sqes[*sq_tail & sq_mask];
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = operation;
    sqe->fd = fd;
    sqe->user_data = (uintptr_t)c | (uint64_t)what << 56;
    atomic_store_explicit((_Atomic uint32_t *)sq_tail, *sq_tail + 1, memory_order_release);
    prepared++;
    return sqe;
}

static void give_back(uint16_t buffer)
{
    struct io_uring_buf *slot = &buffers->bufs[buffers_tail & (BUFFERS - 1)];
    slot->addr = (uintptr_t)memory + (size_t)buffer * BUFFER_SIZE;
    slot->len = BUFFER_SIZE;
    slot->bid = buffer;
    atomic_store_explicit((_Atomic uint16_t *)&buffers->tail, ++buffers_tail, memory_order_release);
}

static void receive(struct connection *c)
{
    struct io_uring_sqe *sqe = prepare(IORING_OP_RECV, c->fd, RECEIVE, c);
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    c->receives = true;
}

static void send_first(struct connection *c)
{
    struct piece *piece = &c->pieces[c->first % BUFFERS];
    struct io_uring_sqe *sqe = prepare(IORING_OP_SEND, c->fd, SEND, c);
    sqe->addr = (uintptr_t)memory + (size_t)piece->buffer * BUFFER_SIZE + c->sent;
    sqe->len = piece->size - c->sent;
    sqe->msg_flags = MSG_NOSIGNAL;
    c->sends = true;
}

static void drop_if_done(struct connection *c)
{
    if (!c->ended || c->receives || c->sends)
        return;
    for (; c->first != c->last; c->first++)
        give_back(c->pieces[c->first % BUFFERS].buffer);
    close(c->fd);
    free(c);
}

static void accepted(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        fail(ENOMEM, "a connection");
    c->fd = fd;
    receive(c);
}

static void received(struct connection *c, const struct io_uring_cqe *cqe)
{
    c->receives = cqe->flags & IORING_CQE_F_MORE;
    if (cqe->res > 0) {
        c->pieces[c->last++ % BUFFERS] = (struct piece){
            .buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT),
            .size = (uint32_t)cqe->res,
        };
        if (!c->sends)
            send_first(c);
        if (!c->receives)
            receive(c);
    } else if (cqe->res == -ENOBUFS) {
        receive(c); /* a send that ends gives one back */
    } else {
        c->ended = true;
    }
    drop_if_done(c);
}

static void sent(struct connection *c, int result)
{
    c->sends = false;
    if (result < 0) {
        c->ended = true;
        shutdown(c->fd, SHUT_RDWR);
    } else {
        c->sent += (uint32_t)result;
        if (c->sent == c->pieces[c->first % BUFFERS].size) {
            give_back(c->pieces[c->first++ % BUFFERS].buffer);
            c->sent = 0;
        }
        if (c->first != c->last)
            send_first(c);
    }
    drop_if_done(c);
}

static void *mapped(size_t size, off_t what)
{
    int flags = what < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, what < 0 ? -1 : ring,
                    what < 0 ? 0 : what);
    if (at == MAP_FAILED)
        fail(errno, "mmap");
    return at;
}

static void set_up(void)
{
    struct io_uring_params p = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = 4 * ENTRIES,
    };
    ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
    if (ring < 0)
        fail(errno, "io_uring_setup");
    char *sq = mapped(p.sq_off.array + p.sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
    char *cq = mapped(p.cq_off.cqes + p.cq_entries * sizeof *cqes, IORING_OFF_CQ_RING);
    sqes = mapped(p.sq_entries * sizeof *sqes, IORING_OFF_SQES);
    sq_tail = (uint32_t *)(sq + p.sq_off.tail);
    sq_mask = *(uint32_t *)(sq + p.sq_off.ring_mask);
    for (uint32_t i = 0; i < p.sq_entries; i++)
        ((uint32_t *)(sq + p.sq_off.array))[i] = i;
    cq_head = (uint32_t *)(cq + p.cq_off.head);
    cq_tail = (uint32_t *)(cq + p.cq_off.tail);
    cq_mask = *(uint32_t *)(cq + p.cq_off.ring_mask);
    cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
    memory = mapped((size_t)BUFFERS * BUFFER_SIZE, -1);
    buffers = mapped(BUFFERS * sizeof(struct io_uring_buf), -1);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)buffers,
        .ring_entries = BUFFERS,
        .bgid = GROUP,
    };
    if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_PBUF_RING, &registration, 1) < 0)
        fail(errno, "io_uring_register");
    for (int i = 0; i < BUFFERS; i++)
        give_back((uint16_t)i);
}

int main(int count, char **arguments)
{
    if (count != 2)
        fail(0, "usage: uring_echo tcp:0|unix:PATH");
    struct address at = parse_address(arguments[1]);
    int listener = socket(at.any.sa_family, at.type | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, &at.any, at.length) < 0 || listen(listener, 4096) < 0)
        fail(errno, "listen on %s", arguments[1]);
    getsockname(listener, &at.any, &at.length);
    set_up();
    prepare(IORING_OP_ACCEPT, listener, ACCEPT, NULL)->ioprio = IORING_ACCEPT_MULTISHOT;
    char line[64];
    struct io_uring_sqe *ends = prepare(IORING_OP_READ, STDIN_FILENO, STDIN, NULL);
    ends->addr = (uintptr_t)line;
    ends->len = sizeof line;
    if (at.any.sa_family == AF_INET)
        printf("tcp:%d\n", ntohs(at.inet.sin_port));
    else
        printf("%s\n", arguments[1]);
    fflush(stdout);
    for (;;) {
        enter(1);
        uint32_t head = *cq_head;
        uint32_t tail = atomic_load_explicit((_Atomic uint32_t *)cq_tail, memory_order_acquire);
        for (; head != tail; head++) {
            struct io_uring_cqe *cqe = &cqes[head & cq_mask];
            struct connection *c = (struct connection *)(cqe->user_data & ~(0xffULL << 56));
            switch ((enum what)(cqe->user_data >> 56)) {
            case ACCEPT:
                if (cqe->res < 0)
                    fail(-cqe->res, "accept");
                accepted(cqe->res);
                break;
            case RECEIVE: received(c, cqe); break;
            case SEND: sent(c, cqe->res); break;
            case STDIN: return 0;
            }
        }
        atomic_store_explicit((_Atomic uint32_t *)cq_head, head, memory_order_release);
    }
}

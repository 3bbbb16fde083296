/* One connection to the server: bytes over TCP, a Unix socket, UDP or TLS.
 *
 * Built without OpenSSL's headers (no WITH_TLS), all but TLS works.
 */

#ifndef WIRE_H
#define WIRE_H

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <unistd.h>

#include "address.h"

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#else
typedef struct ssl_st SSL;
#endif

struct wire {
    int fd;
    SSL *ssl; /* NULL: not TLS */
};

/* What a read or a write returns if the socket is to be waited for, and at the stream's end. */
enum { WAIT = -1, ENDED = -2 };

#ifdef WITH_TLS

static inline SSL *tls_over(int fd)
{
    static SSL_CTX *context;
    if (!context) {
        context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        /* Each handshake is a full one. */
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    }
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    SSL_set_connect_state(ssl);
    return ssl;
}

static inline ssize_t tls_result(SSL *ssl, int result)
{
    if (result > 0)
        return result;
    int error = SSL_get_error(ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return WAIT;
    if (error == SSL_ERROR_ZERO_RETURN)
        return ENDED;
    fail(error == SSL_ERROR_SYSCALL ? errno : 0, "TLS: %s",
         ERR_peek_error() ? ERR_error_string(ERR_peek_error(), NULL) : "the connection broke");
}

#endif

static inline struct wire wire_open(const struct address *to, bool tls)
{
    static uint32_t opened;
    struct wire w = {.fd = socket(to->any.sa_family, to->type | SOCK_CLOEXEC, 0)};
    int on = 1;
    if (w.fd < 0)
        fail(errno, "socket number %u", opened);
    if (to->any.sa_family == AF_INET) {
        /* A closed connection keeps its two addresses for a minute: 200 sources, so that
         * connections can be opened and closed at any rate. */
        struct sockaddr_in from = {
            .sin_family = AF_INET,
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + opened % 200),
        };
        setsockopt(w.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(w.fd, (struct sockaddr *)&from, sizeof from) < 0)
            fail(errno, "bind");
    }
    opened++;
    /* Over loopback a connect that blocks returns at once: the kernel accepts for the server. */
    if (connect(w.fd, &to->any, to->length) < 0)
        fail(errno, "connect, after %u connections", opened - 1);
    if (to->any.sa_family == AF_INET && to->type == SOCK_STREAM)
        setsockopt(w.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef WITH_TLS
    if (tls)
        w.ssl = tls_over(w.fd);
#else
    if (tls)
        fail(0, "built without OpenSSL's headers: install libssl-dev");
#endif
    return w;
}

static inline void wire_nonblocking(const struct wire *w)
{
    fcntl(w->fd, F_SETFL, fcntl(w->fd, F_GETFL) | O_NONBLOCK);
}

static inline void wire_close(struct wire *w)
{
#ifdef WITH_TLS
    if (w->ssl) {
        SSL_shutdown(w->ssl);
        SSL_free(w->ssl);
        ERR_clear_error();
    }
#endif
    close(w->fd);
}

/* The handshake is part of the first read or write. */
static inline ssize_t wire_write(struct wire *w, const void *data, size_t size)
{
#ifdef WITH_TLS
    if (w->ssl)
        return tls_result(w->ssl, SSL_write(w->ssl, data, (int)size));
#endif
    ssize_t sent = send(w->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        fail(errno, "send");
    return sent < 0 ? WAIT : sent;
}

static inline ssize_t wire_read(struct wire *w, void *into, size_t size)
{
#ifdef WITH_TLS
    if (w->ssl)
        return tls_result(w->ssl, SSL_read(w->ssl, into, (int)size));
#endif
    ssize_t got = recv(w->fd, into, size, 0);
    if (got < 0 && errno != EAGAIN)
        fail(errno, "recv");
    return got < 0 ? WAIT : got == 0 ? ENDED : got;
}

#endif

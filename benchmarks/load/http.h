/* A request in place of a message, and its answer in place of an echo. */

#ifndef HTTP_H
#define HTTP_H

#include "wire.h"

static inline char *http_request(const char *path)
{
    char *request;
    if (asprintf(&request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path) < 0)
        fail(ENOMEM, "a request");
    return request;
}

/* The size of the whole answer, which is the same each time: a date has one length. */
static inline size_t http_answer_size(const struct address *to, bool tls, const char *request)
{
    struct wire w = wire_open(to, tls);
    char answer[8192] = "";
    size_t got = 0;
    char *end = NULL;
    wire_write(&w, request, strlen(request));
    while (!end && got < sizeof answer - 1) {
        ssize_t n = wire_read(&w, answer + got, sizeof answer - 1 - got);
        if (n < 0)
            fail(0, "the server closed a connection before it had answered");
        got += (size_t)n;
        answer[got] = 0;
        end = strstr(answer, "\r\n\r\n");
    }
    wire_close(&w);
    if (strncmp(answer, "HTTP/1.1 200 ", 13))
        fail(0, "the server answered %.*s", (int)strcspn(answer, "\r\n"), answer);
    char *length = end ? strcasestr(answer, "\r\nContent-Length:") : NULL;
    if (!length || length > end)
        fail(0, "the server's answer does not say how long it is");
    return (size_t)(end + 4 - answer) + strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
}

#endif

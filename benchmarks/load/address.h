/* Addresses as text, tcp:PORT, udp:PORT or unix:PATH; the first two are on 127.0.0.1. */

#ifndef ADDRESS_H
#define ADDRESS_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "failure.h"

struct address {
    int type;
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in inet;
        struct sockaddr_un local;
    };
};

static inline struct address parse_address(const char *text)
{
    struct address a = {0};
    if (!strncmp(text, "tcp:", 4) || !strncmp(text, "udp:", 4)) {
        a.type = *text == 't' ? SOCK_STREAM : SOCK_DGRAM;
        a.length = sizeof a.inet;
        a.inet.sin_family = AF_INET;
        a.inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a.inet.sin_port = htons((uint16_t)atoi(text + 4));
    } else if (!strncmp(text, "unix:", 5) && strlen(text + 5) < sizeof a.local.sun_path) {
        a.type = SOCK_STREAM;
        a.length = sizeof a.local;
        a.local.sun_family = AF_UNIX;
        strcpy(a.local.sun_path, text + 5);
    } else {
        fail(0, "%s is no address: give tcp:PORT, udp:PORT or unix:PATH", text);
    }
    return a;
}

#endif

/* The load's command line. */

#ifndef OPTIONS_H
#define OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <sys/types.h>

#include "address.h"

struct options {
    struct address to;
    bool tls;
    bool reconnect;
    size_t size;
    const char *path;
    int connections;
    int idle;
    double rate;
    double warmup, seconds;
    unsigned long operations;
    pid_t server;
};

static const char USAGE[] =
    "usage: load ADDRESS [options]\n"
    "  ADDRESS          tcp:PORT, udp:PORT or unix:PATH\n"
    "  --size BYTES     of a message, which ends in a line feed and has no other (default 1024)\n"
    "  --http PATH      in place of a message, a request for that; in place of its echo, the answer\n"
    "  --connections N  each sends, waits for its echo, sends again (default 1)\n"
    "  --tls            over TLS\n"
    "  --reconnect      a connection is closed after its echo and opened anew\n"
    "  --idle N         open so many more first, echo once over each, say 'idle' on stdout,\n"
    "                   and go on when a line comes on stdin\n"
    "  --rate R         send at R messages a second in all, whether or not echoes came back;\n"
    "                   a latency counts from when a message was due (default: as fast as can be)\n"
    "  --warmup S       seconds that do not count (default 0.2)\n"
    "  --seconds S      that count (default 1)\n"
    "  --operations N   in place of the two: stop after so many\n"
    "  --server PID     say what processor time the server took\n";

static double number(const char *name, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || value < 0)
        fail(0, "--%s %s: not a number of 0 or more", name, text);
    return value;
}

static struct options parse_options(int count, char **arguments)
{
    static const struct option known[] = {
        {"size", required_argument, NULL, 's'},
        {"http", required_argument, NULL, 'h'},
        {"connections", required_argument, NULL, 'c'},
        {"tls", no_argument, NULL, 't'},
        {"reconnect", no_argument, NULL, 'r'},
        {"idle", required_argument, NULL, 'i'},
        {"rate", required_argument, NULL, 'R'},
        {"warmup", required_argument, NULL, 'w'},
        {"seconds", required_argument, NULL, 'S'},
        {"operations", required_argument, NULL, 'o'},
        {"server", required_argument, NULL, 'p'},
        {NULL, 0, NULL, 0},
    };
    struct options o = {.size = 1024, .connections = 1, .warmup = 0.2, .seconds = 1};
    int which, index = 0;
    while ((which = getopt_long(count, arguments, "", known, &index)) != -1) {
        const char *name = known[index].name;
        switch (which) {
        case 's': o.size = (size_t)number(name, optarg); break;
        case 'h': o.path = optarg; break;
        case 'c': o.connections = (int)number(name, optarg); break;
        case 't': o.tls = true; break;
        case 'r': o.reconnect = true; break;
        case 'i': o.idle = (int)number(name, optarg); break;
        case 'R': o.rate = number(name, optarg); break;
        case 'w': o.warmup = number(name, optarg); break;
        case 'S': o.seconds = number(name, optarg); break;
        case 'o': o.operations = (unsigned long)number(name, optarg); break;
        case 'p': o.server = (pid_t)number(name, optarg); break;
        default: fail(0, "%s", USAGE);
        }
    }
    if (o.path && o.idle)
        fail(0, "--http and --idle do not go together");
    if (optind != count - 1 || o.size < 1 || o.connections < 1)
        fail(0, "%s", USAGE);
    o.to = parse_address(arguments[optind]);
    return o;
}

#endif

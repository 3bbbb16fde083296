from libc.stdint cimport uint16_t, uint32_t

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    ctypedef unsigned short sa_family_t
    struct sockaddr:
        sa_family_t sa_family
        char sa_data[14]
    struct sockaddr_storage:
        sa_family_t ss_family
    struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
    enum:
        AF_INET
        AF_INET6
        AF_UNIX
        # The flag O_NONBLOCK is shared with all who have the socket: another may clear it.
        MSG_DONTWAIT
        MSG_NOSIGNAL
        SHUT_WR
        SOCK_CLOEXEC
        SOCK_NONBLOCK
        SOCK_STREAM
    int accept4(int fd, sockaddr *address, socklen_t *length, int flags)
    int getsockname(int fd, sockaddr *address, socklen_t *length)
    int getpeername(int fd, sockaddr *address, socklen_t *length)
    int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
    ssize_t recv(int fd, void *data, size_t size, int flags)
    ssize_t recvfrom(
        int fd, void *data, size_t size, int flags, sockaddr *address, socklen_t *length
    )
    ssize_t send(int fd, const void *data, size_t size, int flags)
    ssize_t sendmsg(int fd, const msghdr *message, int flags)
    ssize_t sendto(
        int fd, const void *data, size_t size, int flags, const sockaddr *to, socklen_t length
    )
    int shutdown(int fd, int how)

cdef extern from "<sys/un.h>" nogil:
    struct sockaddr_un:
        char sun_path[108]

cdef extern from "<netinet/in.h>" nogil:
    enum:
        IPPROTO_TCP
    struct in_addr:
        uint32_t s_addr
    struct sockaddr_in:
        sa_family_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    struct in6_addr:
        pass
    struct sockaddr_in6:
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id

cdef extern from "<netinet/tcp.h>" nogil:
    enum:
        TCP_NODELAY

cdef extern from "<arpa/inet.h>" nogil:
    uint16_t ntohs(uint16_t number)
    uint32_t ntohl(uint32_t number)
    uint16_t htons(uint16_t number)
    int inet_pton(int family, const char *text, void *address)

cdef extern from "<netdb.h>" nogil:
    enum:
        NI_MAXHOST
        NI_NUMERICHOST
    int getnameinfo(
        const sockaddr *address, socklen_t length,
        char *host, socklen_t host_size, char *service, socklen_t service_size, int flags
    )

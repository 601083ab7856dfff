/* Sockets. */
#ifndef _SYS_SOCKET_H
#define _SYS_SOCKET_H

#include <bits/restrict.h>
#include <bits/iovec.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef __SIZE_TYPE__ size_t;
typedef long ssize_t;
typedef int pid_t;
typedef int uid_t;
typedef int gid_t;
typedef unsigned socklen_t;
typedef unsigned short sa_family_t;

#define AF_INET 2
#define AF_INET6 10
#define AF_UNIX 1
#define AF_UNSPEC 0
#define PF_INET 2
#define PF_INET6 10
#define PF_UNIX 1
#define PF_UNSPEC 0
#define MSG_CTRUNC 8
#define MSG_DONTROUTE 4
#define MSG_EOR 128
#define MSG_OOB 1
#define MSG_PEEK 2
#define MSG_TRUNC 32
#define MSG_DONTWAIT 64
#define MSG_WAITALL 256
#define MSG_CMSG_CLOEXEC 0x40000000
#define SCM_RIGHTS 1
#define SHUT_RD 0
#define SHUT_WR 1
#define SHUT_RDWR 2
#define SO_DEBUG 1
#define SO_REUSEADDR 2
#define SO_TYPE 3
#define SO_ERROR 4
#define SO_DONTROUTE 5
#define SO_BROADCAST 6
#define SO_SNDBUF 7
#define SO_RCVBUF 8
#define SO_KEEPALIVE 9
#define SO_OOBINLINE 10
#define SO_NO_CHECK 11
#define SO_PRIORITY 12
#define SO_LINGER 13
#define SO_BSDCOMPAT 14
#define SO_REUSEPORT 15
#define SO_PASSCRED 16
#define SO_PEERCRED 17
#define SO_RCVLOWAT 18
#define SO_SNDLOWAT 19
#define SO_RCVTIMEO 20
#define SO_SNDTIMEO 21
#define SO_ACCEPTCONN 30
#define SO_PEERSEC 31
#define SO_SNDBUFFORCE 32
#define SO_RCVBUFFORCE 33
#define SO_PROTOCOL 38
#define SO_DOMAIN 39
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_NONBLOCK 04000
#define SOCK_CLOEXEC 02000000
#define SOCK_SEQPACKET 5
#define SOL_SOCKET 1
#define SOMAXCONN 128
#define AF_LOCAL AF_UNIX
#define PF_LOCAL PF_UNIX
#define MSG_NOSIGNAL 0x4000
struct sockaddr {
    sa_family_t sa_family;
    char sa_data[14];
};
struct sockaddr_storage {
    sa_family_t ss_family;
    char __pad[128 - sizeof(sa_family_t) - sizeof(unsigned long)];
    unsigned long __align;
};
struct msghdr {
    void *msg_name;
    socklen_t msg_namelen;
    struct iovec *msg_iov;
    size_t msg_iovlen;
    void *msg_control;
    size_t msg_controllen;
    int msg_flags;
};
struct cmsghdr {
    size_t cmsg_len;
    int cmsg_level;
    int cmsg_type;
};
struct linger {
    int l_onoff;
    int l_linger;
};
struct ucred {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};
#define CMSG_ALIGN(n) (((n) + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1))
#define CMSG_LEN(n) (CMSG_ALIGN(sizeof(struct cmsghdr)) + (n))
#define CMSG_SPACE(n) (CMSG_ALIGN(n) + CMSG_ALIGN(sizeof(struct cmsghdr)))
#define CMSG_DATA(c) ((unsigned char *)((struct cmsghdr *)(c) + 1))
#define CMSG_FIRSTHDR(m) ((m)->msg_controllen >= sizeof(struct cmsghdr) ? (struct cmsghdr *)(m)->msg_control : (struct cmsghdr *)0)
#define CMSG_NXTHDR(m, c) ((char *)(c) + CMSG_ALIGN((c)->cmsg_len) + sizeof(struct cmsghdr) > (char *)(m)->msg_control + (m)->msg_controllen ? (struct cmsghdr *)0 : (struct cmsghdr *)((char *)(c) + CMSG_ALIGN((c)->cmsg_len)))

int accept(int fd, struct sockaddr *__restrict_c address, socklen_t *__restrict_c size);
int accept4(int fd, struct sockaddr *__restrict_c address, socklen_t *__restrict_c size, int flags);
int bind(int fd, const struct sockaddr *address, socklen_t size);
int connect(int fd, const struct sockaddr *address, socklen_t size);
int getpeername(int fd, struct sockaddr *__restrict_c address, socklen_t *__restrict_c size);
int getsockname(int fd, struct sockaddr *__restrict_c address, socklen_t *__restrict_c size);
int getsockopt(int fd, int level, int name, void *__restrict_c value, socklen_t *__restrict_c size);
int listen(int fd, int backlog);
ssize_t recv(int fd, void *buffer, size_t size, int flags);
ssize_t recvfrom(int fd, void *__restrict_c buffer, size_t size, int flags, struct sockaddr *__restrict_c address, socklen_t *__restrict_c address_size);
ssize_t recvmsg(int fd, struct msghdr *message, int flags);
ssize_t send(int fd, const void *buffer, size_t size, int flags);
ssize_t sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t address_size);
int setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int shutdown(int fd, int how);
int sockatmark(int fd);
int socket(int domain, int type, int protocol);
int socketpair(int domain, int type, int protocol, int fds[2]);

#ifdef __cplusplus
}
#endif
#endif

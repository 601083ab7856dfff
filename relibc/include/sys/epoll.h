/* Event queues. */
#ifndef _SYS_EPOLL_H
#define _SYS_EPOLL_H

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned long long sigset_t;

#define EPOLL_CLOEXEC 0x01000000
#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3
#define EPOLLIN 0x001
#define EPOLLPRI 0x002
#define EPOLLOUT 0x004
#define EPOLLERR 0x008
#define EPOLLHUP 0x010
#define EPOLLNVAL 0x020
#define EPOLLRDNORM 0x040
#define EPOLLRDBAND 0x080
#define EPOLLWRNORM 0x100
#define EPOLLWRBAND 0x200
#define EPOLLMSG 0x400
#define EPOLLRDHUP 0x2000
#define EPOLLEXCLUSIVE (1 << 28)
#define EPOLLWAKEUP (1 << 29)
#define EPOLLONESHOT (1 << 30)
#define EPOLLET (1U << 31)
typedef union epoll_data {
    void *ptr;
    int fd;
    unsigned u32;
    unsigned long u64;
} epoll_data_t;
struct epoll_event {
    unsigned events;
    epoll_data_t data;
    unsigned long __pad;
};

int epoll_create(int size);
int epoll_create1(int flags);
int epoll_ctl(int queue, int operation, int fd, struct epoll_event *event);
int epoll_wait(int queue, struct epoll_event *events, int count, int timeout);
int epoll_pwait(int queue, struct epoll_event *events, int count, int timeout, const sigset_t *mask);

#ifdef __cplusplus
}
#endif
#endif

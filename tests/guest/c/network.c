/* Sockets of this machine, and what is known of hosts and services. */
#define _GNU_SOURCE
#include "cases.h"
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static void networks(void) {
    mkdir("/etc", 0755);
    write_file("/etc/services", "# name port\nhttp 80/tcp www\nhttp 80/udp\ndomain 53/udp\n");
    write_file("/etc/protocols", "ip 0 IP\ntcp 6 TCP\nudp 17 UDP\n");
    write_file("/etc/hosts", "127.0.0.1 localhost\n10.1.2.3 machine.example machine\n");
    struct servent *s = getservbyname("www", "tcp");
    CHECK(s && strcmp(s->s_name, "http") == 0 && s->s_port == htons(80) && strcmp(s->s_proto, "tcp") == 0 && strcmp(s->s_aliases[0], "www") == 0 && !s->s_aliases[1]);
    CHECK(!getservbyname("www", "udp") && !getservbyname("none", 0));
    s = getservbyport(htons(53), 0);
    CHECK(s && strcmp(s->s_name, "domain") == 0);
    struct protoent *p = getprotobyname("UDP");
    CHECK(p && p->p_proto == 17 && strcmp(p->p_name, "udp") == 0);
    p = getprotobynumber(6);
    CHECK(p && strcmp(p->p_name, "tcp") == 0 && strcmp(p->p_aliases[0], "TCP") == 0);
    CHECK(!getprotobynumber(200));
    struct hostent *h = gethostbyname("machine");
    CHECK(h && strcmp(h->h_name, "machine.example") == 0 && strcmp(h->h_aliases[0], "machine") == 0 && h->h_length == 4 && h->h_addrtype == AF_INET);
    CHECK(memcmp(h->h_addr, "\x0a\x01\x02\x03", 4) == 0 && !h->h_addr_list[1]);
    h = gethostbyaddr("\x0a\x01\x02\x03", 4, AF_INET);
    CHECK(h && strcmp(h->h_name, "machine.example") == 0);
    CHECK(!gethostbyname("no-such-machine")); SAME(h_errno, HOST_NOT_FOUND);
    CHECK(hstrerror(h_errno)[0]);
    herror("networks");
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    SAME(getaddrinfo("machine", "http", &hints, &list), 0);
    CHECK(((struct sockaddr_in *)list->ai_addr)->sin_port == htons(80) && !list->ai_next);
    CHECK(!list->ai_canonname);
    freeaddrinfo(list);
    hints = (struct addrinfo){.ai_flags = AI_CANONNAME};
    SAME(getaddrinfo("machine", "http", &hints, &list), 0);
    CHECK(list->ai_canonname && strcmp(list->ai_canonname, "machine.example") == 0);
    CHECK(list->ai_next && !list->ai_next->ai_canonname);
    freeaddrinfo(list);
    SAME(getaddrinfo("::1", NULL, &hints, &list), 0);
    CHECK(list->ai_canonname && strcmp(list->ai_canonname, "::1") == 0);
    freeaddrinfo(list);
    hints = (struct addrinfo){.ai_socktype = 77};
    SAME(getaddrinfo("::1", "http", &hints, &list), EAI_SOCKTYPE);
    SAME(if_nametoindex("eth0"), 0); SAME(errno, ENODEV);
    char name[IF_NAMESIZE];
    CHECK(!if_indextoname(1, name)); SAME(errno, ENXIO);
    struct if_nameindex *all = if_nameindex();
    CHECK(all && all[0].if_index == 0);
    if_freenameindex(all);
}

/* What kind of address a text is: one bit for each of the macros. */
static unsigned kind(const char *text) {
    struct in6_addr a;
    SAME(inet_pton(AF_INET6, text, &a), 1);
    return IN6_IS_ADDR_UNSPECIFIED(&a) | IN6_IS_ADDR_LOOPBACK(&a) << 1 | IN6_IS_ADDR_V4MAPPED(&a) << 2 |
           IN6_IS_ADDR_V4COMPAT(&a) << 3 | IN6_IS_ADDR_LINKLOCAL(&a) << 4 | IN6_IS_ADDR_SITELOCAL(&a) << 5 |
           IN6_IS_ADDR_MULTICAST(&a) << 6 | IN6_IS_ADDR_MC_NODELOCAL(&a) << 7 | IN6_IS_ADDR_MC_LINKLOCAL(&a) << 8 |
           IN6_IS_ADDR_MC_SITELOCAL(&a) << 9 | IN6_IS_ADDR_MC_ORGLOCAL(&a) << 10 | IN6_IS_ADDR_MC_GLOBAL(&a) << 11;
}

static void kinds_of_addresses(void) {
    static const struct { const char *text; unsigned kind; } rows[] = {
        {"::", 1},
        {"::1", 1 << 1},
        {"::ffff:10.1.2.3", 1 << 2},
        {"::ffff:0:10.1.2.3", 0},
        {"1::ffff:10.1.2.3", 0},
        {"::10.1.2.3", 1 << 3},
        {"::2", 1 << 3},
        {"fe80::1", 1 << 4},
        {"febf::1", 1 << 4},
        {"fec0::1", 1 << 5},
        {"feff::1", 1 << 5},
        {"fe40::1", 0},
        {"ff01::1", 1 << 6 | 1 << 7},
        {"ff12::1", 1 << 6 | 1 << 8},
        {"ff05::1", 1 << 6 | 1 << 9},
        {"ff08::1", 1 << 6 | 1 << 10},
        {"ff0e::1", 1 << 6 | 1 << 11},
        {"ff03::1", 1 << 6},
        {"2001:db8::1", 0},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        SAME(kind(rows[i].text), rows[i].kind);
    struct in6_addr a, b;
    SAME(inet_pton(AF_INET6, "1:2:3:4:5:6:7:8", &a), 1);
    for (unsigned byte = 0; byte < 16; byte++) {
        b = a;
        CHECK(IN6_ARE_ADDR_EQUAL(&a, &b));
        b.s6_addr[byte] ^= 1;
        CHECK(!IN6_ARE_ADDR_EQUAL(&a, &b));
    }
    CHECK(IN6_ARE_ADDR_EQUAL(&in6addr_any, &in6addr_any) && !IN6_ARE_ADDR_EQUAL(&in6addr_any, &in6addr_loopback));
}

static volatile int broken;
static void count(int number) { broken += number == SIGPIPE; }

static void sockets(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/socket"}, other;
    socklen_t size = sizeof other;
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(server >= 0 && client >= 0);
    SAME(bind(server, (struct sockaddr *)&address, sizeof address), 0);
    SAME(listen(server, 4), 0);
    SAME(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    int end = accept(server, 0, 0);
    CHECK(end >= 0);
    SAME(getpeername(client, (struct sockaddr *)&other, &size), 0); CHECK(strcmp(other.sun_path, "/socket") == 0);
    SAME(sockatmark(client), -1); SAME(sockatmark(0), -1);
    SAME(accept(client, 0, 0), -1); SAME(errno, EINVAL);
    SAME(accept(999, 0, 0), -1); SAME(errno, EBADF);
    SAME(send(client, "x", 1, 0), 1);
    close(end);
    /* Nobody is at the other end: a signal, but not for those who do not want it. */
    signal(SIGPIPE, count);
    broken = 0;
    SAME(send(client, "x", 1, MSG_NOSIGNAL), -1); SAME(errno, EPIPE); SAME(broken, 0);
    SAME(send(client, "x", 1, 0), -1); SAME(errno, EPIPE); SAME(broken, 1);
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    SAME(sendmsg(client, &message, 0), -1); SAME(errno, EPIPE); SAME(broken, 2);
    SAME(write(client, "x", 1), -1); SAME(errno, EPIPE); SAME(broken, 3);
    signal(SIGPIPE, SIG_DFL);
    close(server), close(client), unlink("/socket");
}

/* One read or write is one message, and waits for one, however many parts it has. */
static int use_parts(void) {
    static char large[40000];
    char a[4], b[100], c[2];
    struct iovec in[] = {{a, 4}, {c, 0}, {b, 100}}, out[] = {{large, 3000}, {large, 3000}}, much[] = {{large, 40000}, {large, 40000}};
    static const int kinds[] = {0, SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 4; i++) {
        int ends[2];
        if (kinds[i] ? socketpair(AF_UNIX, kinds[i], 0, ends) : pipe(ends))
            return 1;
        if (write(ends[1], "1234", 4) != 4 || readv(ends[0], in, 3) != 4 || memcmp(a, "1234", 4))
            return 10 + i;
        if (write(ends[1], "abcdefg", 7) != 7 || readv(ends[0], in, 3) != 7 || memcmp(a, "abcd", 4) || memcmp(b, "efg", 3))
            return 20 + i;
        if (kinds[i] == SOCK_DGRAM || kinds[i] == SOCK_SEQPACKET) {
            if (write(ends[1], "1234", 4) != 4 || write(ends[1], "56", 2) != 2 || readv(ends[0], in, 3) != 4 || readv(ends[0], in, 3) != 2)
                return 30 + i;
            if (writev(ends[1], out, 2) != 6000 || read(ends[0], large, sizeof large) != 6000)
                return 40 + i;
            if (writev(ends[1], much, 2) != -1 || errno != EMSGSIZE)
                return 50 + i;
            if (write(ends[1], "1", 1) != 1 || recv(ends[0], b, 100, MSG_WAITALL) != 1)
                return 60 + i;
        }
        close(ends[0]), close(ends[1]);
    }
    return 0;
}
static void parts_of_messages(void) {
    fflush(0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(use_parts());
    SAME(status_in_time(pid), 0);
}

/* A stream is waited for until there is as much as was asked for, whichever call asks. */
static void waiting_for_all(void) {
    for (int how = 0; how < 3; how++) {
        int ends[2];
        SAME(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
            char text[8] = "";
            struct iovec parts[] = {{text, 3}, {text + 3, 3}};
            struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
            struct sockaddr_un from;
            socklen_t size = sizeof from;
            close(ends[1]);
            ssize_t n = how == 0   ? recv(ends[0], text, 6, MSG_WAITALL)
                        : how == 1 ? recvfrom(ends[0], text, 6, MSG_WAITALL, (struct sockaddr *)&from, &size)
                                   : recvmsg(ends[0], &message, MSG_WAITALL);
            _exit(n == 6 && strcmp(text, "abcdef") == 0 ? 0 : 1);
        }
        close(ends[0]);
        for (int i = 0; i < 3; i++)
            if (write(ends[1], &"abcdef"[2 * i], 2) == 2)
                usleep(20000);
        SAME(status_in_time(pid), 0);
        close(ends[1]);
    }
}

const struct test_case network_cases[] = {
    {"networks", networks},
    {"kinds_of_addresses", kinds_of_addresses},
    {"sockets", sockets},
    {"parts_of_messages", parts_of_messages},
    {"waiting_for_all", waiting_for_all},
};
const unsigned network_case_count = sizeof network_cases / sizeof *network_cases;

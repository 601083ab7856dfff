/* Internet addresses. */
#ifndef _NETINET_IN_H
#define _NETINET_IN_H

#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned in_addr_t;
typedef unsigned short in_port_t;

#define IP_TTL 2
#define IPV6_UNICAST_HOPS 16
#define IPV6_MULTICAST_IF 17
#define IPV6_MULTICAST_HOPS 18
#define IPV6_MULTICAST_LOOP 19
#define IPV6_ADD_MEMBERSHIP 20
#define IPV6_JOIN_GROUP 20
#define IPV6_DROP_MEMBERSHIP 21
#define IPV6_LEAVE_GROUP 21
#define IPV6_V6ONLY 26
#define IP_MULTICAST_IF 32
#define IP_MULTICAST_TTL 33
#define IP_MULTICAST_LOOP 34
#define IP_ADD_MEMBERSHIP 35
#define IP_DROP_MEMBERSHIP 36
#define IP_TOS 1
#define IP_RECVTOS 13
#define IPPROTO_IGMP 2
#define IPPROTO_PUP 12
#define IPPROTO_IDP 22
#define IPPROTO_RAW 255
#define IPPROTO_MAX 255
#define IPPROTO_IP 0
#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_IPV6 41
#define IPPROTO_ICMPV6 58
#define INADDR_ANY 0U
#define INADDR_LOOPBACK 0x7f000001U
#define INADDR_BROADCAST 0xffffffffU
#define INADDR_NONE 0xffffffffU
#define INET_ADDRSTRLEN 16
#define INET6_ADDRSTRLEN 46
struct in_addr {
    in_addr_t s_addr;
};
struct in6_addr {
    union {
        unsigned char __bytes[16];
        unsigned __words[4];
    } __address;
};
#define s6_addr __address.__bytes
struct sockaddr_in {
    sa_family_t sin_family;
    in_port_t sin_port;
    struct in_addr sin_addr;
    char sin_zero[8];
};
struct sockaddr_in6 {
    sa_family_t sin6_family;
    in_port_t sin6_port;
    unsigned sin6_flowinfo;
    struct in6_addr sin6_addr;
    unsigned sin6_scope_id;
};
struct ip_mreq {
    struct in_addr imr_multiaddr;
    struct in_addr imr_interface;
};
struct ipv6_mreq {
    struct in6_addr ipv6mr_multiaddr;
    unsigned ipv6mr_interface;
};
#define IN6ADDR_ANY_INIT { { { 0 } } }
#define IN6ADDR_LOOPBACK_INIT { { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } } }
extern const struct in6_addr in6addr_any;
extern const struct in6_addr in6addr_loopback;

/* A word of an address, as it is in memory: the first byte is the lowest. */
#define __in6_word(a, index) ((a)->__address.__words[index])
#define __in6_high_zero(a) (__in6_word(a, 0) == 0 && __in6_word(a, 1) == 0)
#define IN6_ARE_ADDR_EQUAL(a, b) \
    (__in6_word(a, 0) == __in6_word(b, 0) && __in6_word(a, 1) == __in6_word(b, 1) && \
     __in6_word(a, 2) == __in6_word(b, 2) && __in6_word(a, 3) == __in6_word(b, 3))
#define IN6_IS_ADDR_UNSPECIFIED(a) (__in6_high_zero(a) && __in6_word(a, 2) == 0 && __in6_word(a, 3) == 0)
#define IN6_IS_ADDR_LOOPBACK(a) (__in6_high_zero(a) && __in6_word(a, 2) == 0 && __in6_word(a, 3) == 0x01000000U)
#define IN6_IS_ADDR_V4MAPPED(a) (__in6_high_zero(a) && __in6_word(a, 2) == 0xffff0000U)
#define IN6_IS_ADDR_V4COMPAT(a) \
    (__in6_high_zero(a) && __in6_word(a, 2) == 0 && __in6_word(a, 3) != 0 && __in6_word(a, 3) != 0x01000000U)
#define IN6_IS_ADDR_LINKLOCAL(a) ((__in6_word(a, 0) & 0xc0ffU) == 0x80feU)
#define IN6_IS_ADDR_SITELOCAL(a) ((__in6_word(a, 0) & 0xc0ffU) == 0xc0feU)
#define IN6_IS_ADDR_MULTICAST(a) ((a)->s6_addr[0] == 0xff)
#define __in6_scope(a, scope) (IN6_IS_ADDR_MULTICAST(a) && ((a)->s6_addr[1] & 0xf) == (scope))
#define IN6_IS_ADDR_MC_NODELOCAL(a) __in6_scope(a, 1)
#define IN6_IS_ADDR_MC_LINKLOCAL(a) __in6_scope(a, 2)
#define IN6_IS_ADDR_MC_SITELOCAL(a) __in6_scope(a, 5)
#define IN6_IS_ADDR_MC_ORGLOCAL(a) __in6_scope(a, 8)
#define IN6_IS_ADDR_MC_GLOBAL(a) __in6_scope(a, 14)

unsigned htonl(unsigned host);
unsigned short htons(unsigned short host);
unsigned ntohl(unsigned network);
unsigned short ntohs(unsigned short network);

#ifdef __cplusplus
}
#endif
#endif

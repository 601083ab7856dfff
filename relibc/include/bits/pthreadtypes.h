/* Types of threads. */
#ifndef _BITS_PTHREADTYPES_H
#define _BITS_PTHREADTYPES_H

typedef void *pthread_t;

typedef unsigned long pthread_key_t;
typedef union {
    unsigned char __bytes[32];
    unsigned long __align;
} pthread_attr_t;
typedef union {
    unsigned char __bytes[24];
    unsigned __align;
} pthread_barrier_t;
typedef union {
    unsigned char __bytes[4];
    unsigned __align;
} pthread_barrierattr_t;
typedef union {
    unsigned char __bytes[12];
    unsigned __align;
} pthread_mutex_t;
typedef union {
    unsigned char __bytes[20];
    unsigned __align;
} pthread_mutexattr_t;
typedef union {
    unsigned char __bytes[4];
    unsigned __align;
} pthread_rwlock_t;
typedef union {
    unsigned char __bytes[1];
    unsigned char __align;
} pthread_rwlockattr_t;
typedef union {
    unsigned char __bytes[8];
    unsigned __align;
} pthread_cond_t;
typedef union {
    unsigned char __bytes[8];
    unsigned __align;
} pthread_condattr_t;
typedef union {
    unsigned char __bytes[4];
    unsigned __align;
} pthread_once_t;
typedef union {
    unsigned char __bytes[4];
    unsigned __align;
} pthread_spinlock_t;
#endif

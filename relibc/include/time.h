/* Date and time. */
#ifndef _TIME_H
#define _TIME_H

#include <bits/restrict.h>
#include <bits/timespec.h>

#ifdef __cplusplus
extern "C" {
#endif

#undef NULL
#ifdef __cplusplus
#define NULL 0L
#else
#define NULL ((void *)0)
#endif
typedef __SIZE_TYPE__ size_t;
typedef long long time_t;
typedef long clock_t;
typedef int clockid_t;
typedef void *timer_t;
typedef struct __locale *locale_t;
typedef int pid_t;

struct itimerspec {
    struct timespec it_interval;
    struct timespec it_value;
};
struct tm {
    int tm_sec;
    int tm_min;
    int tm_hour;
    int tm_mday;
    int tm_mon;
    int tm_year;
    int tm_wday;
    int tm_yday;
    int tm_isdst;
    long tm_gmtoff;
    const char *tm_zone;
};
struct sigevent;

#define CLOCKS_PER_SEC 1000000L
#define CLOCK_REALTIME 1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID 3
#define CLOCK_MONOTONIC 4
#define TIMER_ABSTIME 1
#define TIME_UTC 1

extern char *tzname[2];
extern long timezone;
extern int daylight;

time_t mktime(struct tm *time);
time_t timegm(struct tm *time);
time_t timelocal(struct tm *time);
double difftime(time_t later, time_t earlier);
struct tm *gmtime(const time_t *time);
struct tm *gmtime_r(const time_t *__restrict_c time, struct tm *__restrict_c broken);
struct tm *localtime(const time_t *time);
struct tm *localtime_r(const time_t *__restrict_c time, struct tm *__restrict_c broken);
char *asctime(const struct tm *time);
char *asctime_r(const struct tm *__restrict_c time, char *__restrict_c buffer);
char *ctime(const time_t *time);
char *ctime_r(const time_t *time, char *buffer);
size_t strftime(char *__restrict_c buffer, size_t size, const char *__restrict_c format, const struct tm *__restrict_c time);
size_t strftime_l(char *__restrict_c buffer, size_t size, const char *__restrict_c format, const struct tm *__restrict_c time, locale_t locale);
char *strptime(const char *__restrict_c text, const char *__restrict_c format, struct tm *__restrict_c time);
void tzset(void);
clock_t clock(void);
time_t time(time_t *time);
int timespec_get(struct timespec *time, int base);
int clock_getres(clockid_t clock, struct timespec *resolution);
int clock_gettime(clockid_t clock, struct timespec *time);
int clock_settime(clockid_t clock, const struct timespec *time);
int clock_getcpuclockid(pid_t pid, clockid_t *clock);
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left);
int nanosleep(const struct timespec *time, struct timespec *left);
int timer_create(clockid_t clock, struct sigevent *__restrict_c event, timer_t *__restrict_c timer);
int timer_delete(timer_t timer);
int timer_gettime(timer_t timer, struct itimerspec *value);
int timer_settime(timer_t timer, int flags, const struct itimerspec *__restrict_c value, struct itimerspec *__restrict_c old);
int timer_getoverrun(timer_t timer);

#ifdef __cplusplus
}
#endif
#endif

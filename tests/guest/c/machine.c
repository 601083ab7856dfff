/* What is known of the machine and of a process's limits, memory, settings of terminals. */
#define _GNU_SOURCE
#include "cases.h"
#include "fixture.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

extern int *__errno(void);

static int ask_password(void) {
    write_file("/secret", "a word\nmore");
    if (dup2(open("/secret", O_RDONLY), 0) != 0)
        return 1;
    char *answer = getpass("");
    return !answer || strcmp(answer, "a word") != 0;
}

static void facts(void) {
    char b[300];
    SAME(getpagesize(), 4096); CHECK(getdtablesize() > 0);
    SAME(gethostname(b, sizeof b), 0); CHECK(b[0]);
    SAME(gethostname(b, 1), -1); SAME(errno, ENAMETOOLONG);
    SAME(sethostname("x", 1), -1); SAME(errno, EPERM);
    SAME(getdomainname(b, sizeof b), 0);
    CHECK(confstr(_CS_PATH, b, sizeof b) > 1 && strchr(b, '/'));
    SAME(confstr(9999, b, sizeof b), 0); SAME(errno, EINVAL);
    CHECK(sysconf(_SC_PHYS_PAGES) > sysconf(_SC_AVPHYS_PAGES) && sysconf(_SC_AVPHYS_PAGES) > 0);
    double averages[3];
    SAME(getloadavg(averages, 3), -1);
    struct rlimit limit;
    SAME(getrlimit(RLIMIT_NOFILE, &limit), 0); CHECK(limit.rlim_cur > 0);
    SAME(setrlimit(RLIMIT_NOFILE, &limit), 0);
    SAME(getrlimit(99, &limit), -1); SAME(errno, EINVAL);
    limit.rlim_cur = 5, limit.rlim_max = 4;
    SAME(setrlimit(RLIMIT_CORE, &limit), -1); SAME(errno, EINVAL);
    struct rusage usage;
    SAME(getrusage(RUSAGE_SELF, &usage), 0); SAME(getrusage(99, &usage), -1); SAME(errno, EINVAL);
    unsigned char noise[64] = {0}, more[64] = {0};
    SAME(getentropy(noise, 64), 0); SAME(getrandom(more, 64, 0), 64); CHECK(memcmp(noise, more, 64) != 0);
    SAME(getentropy(noise, 257), -1); CHECK(errno == EIO || errno == EINVAL);
    CHECK(__errno() == &errno);
    jmp_buf place;
    volatile int passes = 0;
    if (_setjmp(place) == 0)
        passes = 1, _longjmp(place, 2);
    SAME(passes, 1);
    assert(passes == 1);
    SAME(in_child(ask_password), 0);
}

static void mapped_memory(void) {
    char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    SAME(madvise(p, 8192, MADV_NORMAL), 0); SAME(posix_madvise(p, 8192, POSIX_MADV_NORMAL), 0);
    SAME(msync(p, 8192, MS_SYNC), 0); SAME(msync(p + 1, 8192, MS_SYNC), -1); SAME(errno, EINVAL);
    SAME(mlock(p, 4096), 0); SAME(munlock(p, 4096), 0);
    SAME(mlockall(MCL_CURRENT), 0); SAME(munlockall(), 0);
    SAME(munmap(p, 8192), 0);
}

static void terminals(void) {
    struct termios t;
    memset(&t, 0, sizeof t);
    SAME(cfsetispeed(&t, B9600), 0); SAME(cfsetospeed(&t, B38400), 0);
    SAME(cfgetispeed(&t), B9600); SAME(cfgetospeed(&t), B38400);
    SAME(cfsetspeed(&t, B115200), 0); SAME(cfgetispeed(&t), B115200);
    SAME(cfsetospeed(&t, 0x7fffffff), -1); SAME(errno, EINVAL);
    struct winsize size;
    int fd = open("/scheme/null", O_RDWR);
    SAME(tcgetwinsize(fd, &size), -1); SAME(errno, ENOTTY); SAME(tcsetwinsize(fd, &size), -1); SAME(errno, ENOTTY);
    SAME(login_tty(999), -1);
    close(fd);
}

const struct test_case machine_cases[] = {
    {"facts", facts},
    {"mapped_memory", mapped_memory},
    {"terminals", terminals},
};
const unsigned machine_case_count = sizeof machine_cases / sizeof *machine_cases;

/* The C library as C programs use it. Prints its report in the test runner's protocol. */
#define _GNU_SOURCE
#include "cases.h"

#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <glob.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void formats(void) {
    char text[64];
    SAME(snprintf(text, sizeof text, "%5.2f|%-4d|%#x|%s", 3.14159, 42, 255, "end"), 19);
    CHECK(strcmp(text, " 3.14|42  |0xff|end") == 0);
    int a, b;
    SAME(sscanf("12 34", "%d %d", &a, &b), 2);
    SAME(a + b, 46);
}

static void long_jumps(void) {
    jmp_buf here;
    volatile int passes = 0;
    int value = setjmp(here);
    passes++;
    if (value < 3)
        longjmp(here, value + 1);
    SAME(passes, 4);
    if ((value = setjmp(here)) == 0)
        longjmp(here, 0);
    SAME(value, 1);
    sigjmp_buf there;
    sigset_t set, now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (sigsetjmp(there, 1) == 0) {
        SAME(sigprocmask(SIG_BLOCK, &set, 0), 0);
        siglongjmp(there, 1);
    }
    SAME(sigprocmask(SIG_BLOCK, 0, &now), 0);
    SAME(sigismember(&now, SIGUSR1), 0);
}

static void heap(void) {
    char *blocks[64];
    for (int i = 0; i < 64; i++) {
        blocks[i] = malloc(i * 37);
        CHECK(blocks[i] && (unsigned long)blocks[i] % 16 == 0);
        memset(blocks[i], i, i * 37);
    }
    for (int i = 0; i < 64; i++) {
        blocks[i] = realloc(blocks[i], i * 61 + 1);
        for (int j = 0; j < i * 37; j++)
            SAME(blocks[i][j], i);
    }
    for (int i = 0; i < 64; i++)
        free(blocks[i]);
    char *large = calloc(1000, 1000);
    CHECK(large);
    SAME(large[999999], 0);
    large = realloc(large, 3000000);
    CHECK(large);
    free(large);
    void *aligned;
    SAME(posix_memalign(&aligned, 4096, 100), 0);
    SAME((unsigned long)aligned % 4096, 0);
    free(aligned);
    SAME(posix_memalign(&aligned, 3, 100), EINVAL);
    errno = 0;
    /* Volatile: a compiler may think away an allocation that nobody uses. */
    volatile size_t huge = PTRDIFF_MAX;
    void *volatile none = malloc(huge);
    CHECK(none == 0);
    SAME(errno, ENOMEM);
    none = calloc(huge, huge);
    CHECK(none == 0);
}

static void environment(void) {
    SAME(setenv("NAME", "value", 1), 0);
    CHECK(strcmp(getenv("NAME"), "value") == 0);
    SAME(setenv("NAME", "other", 0), 0);
    CHECK(strcmp(getenv("NAME"), "value") == 0);
    static char entry[] = "NAME=put";
    SAME(putenv(entry), 0);
    CHECK(strcmp(getenv("NAME"), "put") == 0);
    SAME(unsetenv("NAME"), 0);
    CHECK(getenv("NAME") == 0);
    SAME(setenv("A=B", "x", 1), -1);
    SAME(errno, EINVAL);
}

static void memory_maps(void) {
    char *p = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    p[0] = 1, p[3 * 4096 - 1] = 2;
    SAME(mprotect(p + 4096, 4096, PROT_READ), 0);
    SAME(munmap(p, 3 * 4096), 0);
    CHECK(mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    SAME(errno, EINVAL);
    CHECK(mmap(0, 4096, PROT_READ, MAP_PRIVATE, 999, 0) == MAP_FAILED);
    SAME(errno, EBADF);
}

static void bad_descriptors(void) {
    char c = 0;
    struct stat s;
    SAME(read(-1, &c, 1), -1); SAME(errno, EBADF);
    SAME(write(999, &c, 1), -1); SAME(errno, EBADF);
    SAME(close(999), -1); SAME(errno, EBADF);
    SAME(fstat(-5, &s), -1); SAME(errno, EBADF);
    SAME(dup2(999, 1), -1); SAME(errno, EBADF);
    SAME(fcntl(999, F_GETFD), -1); SAME(errno, EBADF);
    SAME(lseek(-1, 0, SEEK_SET), -1); SAME(errno, EBADF);
    SAME(open(0, O_RDONLY), -1); SAME(errno, EFAULT);
    SAME(isatty(-1), 0); SAME(errno, EBADF);
}

static void pipes(void) {
    int ends[2];
    SAME(pipe2(ends, O_CLOEXEC), 0);
    SAME(fcntl(ends[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    SAME(write(ends[1], "hello", 5), 5);
    char text[8];
    SAME(read(ends[0], text, sizeof text), 5);
    struct iovec out[2] = {{"ab", 2}, {"cde", 3}};
    SAME(writev(ends[1], out, 2), 5);
    SAME(read(ends[0], text, sizeof text), 5);
    CHECK(memcmp(text, "abcde", 5) == 0);
    int copy = fcntl(ends[0], F_DUPFD, 20);
    CHECK(copy >= 20);
    SAME(fcntl(copy, F_GETFD), 0);
    SAME(close(copy), 0);
    SAME(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    SAME(read(ends[0], text, 1), -1);
    SAME(errno, EAGAIN);
    close(ends[0]), close(ends[1]);
}

static void polling(void) {
    int ends[2];
    SAME(pipe(ends), 0);
    struct pollfd p[3] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}, {-1, POLLIN, 9}};
    SAME(poll(p, 3, 0), 1);
    SAME(p[0].revents, 0); SAME(p[1].revents, POLLOUT); SAME(p[2].revents, 0);
    p[1].fd = 999;
    SAME(poll(p, 2, 1000), 1);
    SAME(p[1].revents, POLLNVAL);
    SAME(poll(p, 1, 5), 0);
    /* A number that occurs twice is told of at each place, by what is asked there. */
    struct pollfd twice[3] = {{999, POLLIN, 0}, {999, POLLOUT, 0}, {ends[0], POLLIN, 0}};
    SAME(poll(twice, 3, 1000), 2);
    SAME(twice[0].revents, POLLNVAL); SAME(twice[1].revents, POLLNVAL); SAME(twice[2].revents, 0);
    twice[0] = (struct pollfd){ends[1], 0, 0}, twice[1] = (struct pollfd){ends[1], POLLOUT | POLLWRNORM, 0};
    SAME(poll(twice, 2, 1000), 1);
    SAME(twice[0].revents, 0); SAME(twice[1].revents, POLLOUT | POLLWRNORM);
    /* Without a namespace it is not there. */
    int null = open("/scheme/null", O_RDWR), known = null >= 0;
    twice[0] = (struct pollfd){null, 0, 0}, twice[1] = (struct pollfd){null, POLLIN | POLLRDNORM, 0};
    SAME(poll(twice, 2, known ? 1000 : 0), known);
    SAME(twice[0].revents, 0); SAME(twice[1].revents, known ? POLLIN | POLLRDNORM : 0);
    close(null);
    SAME(write(ends[1], "x", 1), 1);
    SAME(poll(p, 1, -1), 1);
    SAME(p[0].revents, POLLIN);
    fd_set set;
    FD_ZERO(&set), FD_SET(ends[0], &set);
    struct timeval soon = {0, 1000};
    SAME(select(ends[0] + 1, &set, 0, 0, &soon), 1);
    CHECK(FD_ISSET(ends[0], &set));
    char c;
    SAME(read(ends[0], &c, 1), 1);
    SAME(select(ends[0] + 1, &set, 0, 0, &soon), 0);
    CHECK(!FD_ISSET(ends[0], &set));
    close(ends[0]), close(ends[1]);
}

static void event_queues(void) {
    int ends[2], queue = epoll_create1(0);
    CHECK(queue >= 0);
    SAME(pipe(ends), 0);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 77}, got[4];
    SAME(epoll_ctl(queue, EPOLL_CTL_ADD, ends[0], &e), 0);
    SAME(epoll_ctl(queue, EPOLL_CTL_ADD, ends[0], &e), -1); SAME(errno, EEXIST);
    SAME(epoll_ctl(queue, EPOLL_CTL_MOD, ends[1], &e), -1); SAME(errno, ENOENT);
    SAME(epoll_wait(queue, got, 4, 0), 0);
    SAME(epoll_wait(queue, got, 4, 5), 0);
    SAME(write(ends[1], "xy", 2), 2);
    for (int i = 0; i < 3; i++) { /* It is told as long as it holds. */
        SAME(epoll_wait(queue, got, 4, -1), 1);
        SAME(got[0].data.u64, 77); SAME(got[0].events, EPOLLIN);
    }
    /* Also to whoever waits for the queue itself. */
    struct pollfd outer = {queue, POLLIN, 0};
    fd_set set;
    FD_ZERO(&set), FD_SET(queue, &set);
    SAME(poll(&outer, 1, 0), 1);
    SAME(epoll_wait(queue, got, 4, -1), 1);
    SAME(select(queue + 1, &set, 0, 0, &(struct timeval){0}), 1);
    SAME(epoll_wait(queue, got, 4, -1), 1);
    char text[2];
    SAME(read(ends[0], text, 2), 2);
    SAME(epoll_wait(queue, got, 4, 0), 0);
    e.events = EPOLLIN | EPOLLONESHOT;
    SAME(epoll_ctl(queue, EPOLL_CTL_MOD, ends[0], &e), 0);
    SAME(write(ends[1], "x", 1), 1);
    SAME(epoll_wait(queue, got, 4, -1), 1);
    SAME(epoll_wait(queue, got, 4, 0), 0);
    SAME(epoll_ctl(queue, EPOLL_CTL_DEL, ends[0], 0), 0);
    SAME(read(ends[0], text, 1), 1);
    /* Another file at the number is not watched any more. */
    int others[2], number = dup(ends[0]);
    SAME(pipe(others), 0);
    e.events = EPOLLIN, e.data.u64 = 1;
    SAME(epoll_ctl(queue, EPOLL_CTL_ADD, number, &e), 0);
    SAME(dup2(others[0], number), number);
    e.data.u64 = 2;
    SAME(epoll_ctl(queue, EPOLL_CTL_ADD, number, &e), 0);
    SAME(write(others[1], "x", 1), 1);
    /* A copy of the queue's descriptor is the same queue, also when the first one is closed. */
    int copy = dup(queue), upper = fcntl(queue, F_DUPFD_CLOEXEC, 40);
    SAME(epoll_wait(copy, got, 4, 1000), 1); SAME(got[0].data.u64, 2);
    close(queue);
    SAME(epoll_wait(upper, got, 4, 1000), 1); SAME(got[0].data.u64, 2);
    SAME(epoll_ctl(copy, EPOLL_CTL_DEL, number, 0), 0);
    SAME(epoll_wait(upper, got, 4, 0), 0);
    close(copy), close(upper), close(number), close(others[0]), close(others[1]);
    close(ends[0]), close(ends[1]);
}

static void *add(void *counter) {
    for (int i = 0; i < 1000; i++)
        __atomic_fetch_add((int *)counter, 1, __ATOMIC_RELAXED);
    return counter;
}

static void threads(void) {
    pthread_t t[4];
    int counter = 0;
    void *value;
    for (int i = 0; i < 4; i++)
        SAME(pthread_create(&t[i], 0, add, &counter), 0);
    for (int i = 0; i < 4; i++) {
        SAME(pthread_join(t[i], &value), 0);
        CHECK(value == &counter);
    }
    SAME(counter, 4000);
    SAME(pthread_join(pthread_self(), 0), EDEADLK);
}

static void mutex_kinds(void) {
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    SAME(pthread_mutexattr_init(&a), 0);
    SAME(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE), 0);
    SAME(pthread_mutex_init(&m, &a), 0);
    SAME(pthread_mutex_lock(&m), 0); SAME(pthread_mutex_lock(&m), 0);
    SAME(pthread_mutex_unlock(&m), 0); SAME(pthread_mutex_unlock(&m), 0);
    SAME(pthread_mutex_unlock(&m), EPERM);
    SAME(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK), 0);
    SAME(pthread_mutex_init(&m, &a), 0);
    SAME(pthread_mutex_lock(&m), 0);
    SAME(pthread_mutex_lock(&m), EDEADLK); SAME(pthread_mutex_trylock(&m), EBUSY);
    struct timespec past = {1, 0};
    pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
    SAME(pthread_mutex_lock(&plain), 0);
    SAME(pthread_mutex_timedlock(&plain, &past), ETIMEDOUT);
    SAME(pthread_mutex_unlock(&plain), 0);
}

static pthread_key_t key;
static int destroyed;
static void destroy(void *value) { destroyed += *(int *)value; }
static void *use_key(void *value) {
    pthread_setspecific(key, value);
    pthread_exit(pthread_getspecific(key));
}

static void keys(void) {
    int five = 5;
    pthread_t t;
    void *value;
    SAME(pthread_key_create(&key, destroy), 0);
    SAME(pthread_create(&t, 0, use_key, &five), 0);
    SAME(pthread_join(t, &value), 0);
    CHECK(value == &five);
    SAME(destroyed, 5);
    CHECK(pthread_getspecific(key) == 0);
    SAME(pthread_key_delete(key), 0); SAME(pthread_key_delete(key), EINVAL);
}

static sem_t semaphore;
static void *post(void *unused) {
    sem_post(&semaphore);
    return unused;
}

static void semaphores(void) {
    pthread_t t;
    SAME(sem_init(&semaphore, 0, 1), 0);
    SAME(sem_trywait(&semaphore), 0);
    SAME(sem_trywait(&semaphore), -1); SAME(errno, EAGAIN);
    struct timespec past = {1, 0};
    SAME(sem_timedwait(&semaphore, &past), -1); SAME(errno, ETIMEDOUT);
    SAME(pthread_create(&t, 0, post, 0), 0);
    SAME(sem_wait(&semaphore), 0);
    SAME(pthread_join(t, 0), 0);
}

static volatile sig_atomic_t handled;
static void handle(int number) { handled = number; }

static void signals(void) {
    struct sigaction action = {0}, old;
    action.sa_handler = handle;
    SAME(sigaction(SIGUSR1, &action, &old), 0);
    CHECK(old.sa_handler == SIG_DFL);
    SAME(raise(SIGUSR1), 0);
    SAME(handled, SIGUSR1);
    sigset_t set, pending;
    sigemptyset(&set), sigaddset(&set, SIGUSR1);
    handled = 0;
    SAME(pthread_sigmask(SIG_BLOCK, &set, 0), 0);
    SAME(raise(SIGUSR1), 0);
    SAME(handled, 0);
    SAME(sigpending(&pending), 0);
    SAME(sigismember(&pending, SIGUSR1), 1);
    int taken = 0;
    SAME(sigwait(&set, &taken), 0);
    SAME(taken, SIGUSR1); SAME(handled, 0);
    struct timespec soon = {0, 1000000};
    SAME(sigtimedwait(&set, 0, &soon), -1); SAME(errno, EAGAIN);
    SAME(pthread_sigmask(SIG_UNBLOCK, &set, 0), 0);
    SAME(handled, 0);
    SAME(sigaction(SIGKILL, &action, 0), -1); SAME(errno, EINVAL);
    CHECK(signal(SIGUSR1, SIG_IGN) == handle);
    SAME(raise(SIGUSR1), 0);
}

static pthread_t main_thread;
static void *interrupt(void *unused) {
    pthread_kill(main_thread, SIGUSR2);
    return unused;
}

static void signal_to_a_thread(void) {
    pthread_t t;
    main_thread = pthread_self();
    handled = 0;
    signal(SIGUSR2, handle);
    SAME(pthread_create(&t, 0, interrupt, 0), 0);
    SAME(pthread_join(t, 0), 0);
    SAME(handled, SIGUSR2);
}

static void timers(void) {
    timer_t timer;
    struct sigevent event = {0};
    struct itimerspec setting = {{0, 0}, {0, 2000000}}, left;
    event.sigev_notify = SIGEV_NONE;
    SAME(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    SAME(timer_settime(timer, 0, &setting, 0), 0);
    /* How long that takes is nobody's to say. */
    struct timespec pause = {0, 1000000};
    do {
        SAME(nanosleep(&pause, 0), 0);
        SAME(timer_gettime(timer, &left), 0);
    } while (left.it_value.tv_sec + left.it_value.tv_nsec != 0);
    SAME(timer_delete(timer), 0);
}

static void system_facts(void) {
    struct utsname name;
    SAME(uname(&name), 0);
    CHECK(strcmp(name.machine, "x86_64") == 0 && name.sysname[0]);
    SAME(sysconf(_SC_PAGESIZE), 4096);
    CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    SAME(sysconf(-1), -1); SAME(errno, EINVAL);
    /* What the headers say at compile time is what the system says at run time. */
    static const struct { int name; long value; } facts[] = {
        {_SC_JOB_CONTROL, _POSIX_JOB_CONTROL}, {_SC_SAVED_IDS, _POSIX_SAVED_IDS}, {_SC_REGEXP, _POSIX_REGEXP}, {_SC_SHELL, _POSIX_SHELL},
        {_SC_VERSION, _POSIX_VERSION}, {_SC_2_VERSION, _POSIX2_VERSION}, {_SC_XOPEN_VERSION, _XOPEN_VERSION},
        {_SC_TIMERS, _POSIX_TIMERS}, {_SC_TIMEOUTS, _POSIX_TIMEOUTS}, {_SC_CLOCK_SELECTION, _POSIX_CLOCK_SELECTION},
        {_SC_MONOTONIC_CLOCK, _POSIX_MONOTONIC_CLOCK}, {_SC_CPUTIME, _POSIX_CPUTIME}, {_SC_THREAD_CPUTIME, _POSIX_THREAD_CPUTIME},
        {_SC_FSYNC, _POSIX_FSYNC}, {_SC_MAPPED_FILES, _POSIX_MAPPED_FILES}, {_SC_MEMORY_PROTECTION, _POSIX_MEMORY_PROTECTION},
        {_SC_SHARED_MEMORY_OBJECTS, _POSIX_SHARED_MEMORY_OBJECTS}, {_SC_SEMAPHORES, _POSIX_SEMAPHORES}, {_SC_BARRIERS, _POSIX_BARRIERS},
        {_SC_SPIN_LOCKS, _POSIX_SPIN_LOCKS}, {_SC_READER_WRITER_LOCKS, _POSIX_READER_WRITER_LOCKS}, {_SC_THREADS, _POSIX_THREADS},
        {_SC_THREAD_SAFE_FUNCTIONS, _POSIX_THREAD_SAFE_FUNCTIONS}, {_SC_THREAD_ATTR_STACKADDR, _POSIX_THREAD_ATTR_STACKADDR},
        {_SC_THREAD_ATTR_STACKSIZE, _POSIX_THREAD_ATTR_STACKSIZE}, {_SC_THREAD_PROCESS_SHARED, _POSIX_THREAD_PROCESS_SHARED},
        {_SC_REALTIME_SIGNALS, _POSIX_REALTIME_SIGNALS}, {_SC_SPAWN, _POSIX_SPAWN}, {_SC_RTSIG_MAX, SIGRTMAX - SIGRTMIN + 1},
        {_SC_SEM_NSEMS_MAX, -1}, {_SC_SEM_VALUE_MAX, SEM_VALUE_MAX}, {_SC_LINE_MAX, LINE_MAX}, {_SC_IOV_MAX, IOV_MAX},
        {_SC_THREAD_STACK_MIN, PTHREAD_STACK_MIN}, {_SC_THREAD_KEYS_MAX, PTHREAD_KEYS_MAX}, {_SC_THREAD_THREADS_MAX, -1},
        {_SC_THREAD_DESTRUCTOR_ITERATIONS, PTHREAD_DESTRUCTOR_ITERATIONS},
    };
    errno = 0;
    for (unsigned i = 0; i < sizeof facts / sizeof *facts; i++)
        SAME(1000000 * facts[i].name + sysconf(facts[i].name), 1000000 * facts[i].name + facts[i].value);
    SAME(errno, 0);
    CHECK(_POSIX_CHOWN_RESTRICTED > 0 && _POSIX_NO_TRUNC > 0);
    struct timespec a, b;
    SAME(clock_gettime(CLOCK_MONOTONIC, &a), 0);
    SAME(clock_gettime(CLOCK_MONOTONIC, &b), 0);
    CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
    SAME(clock_gettime(12345, &a), -1); SAME(errno, EINVAL);
    CHECK(fabs(sqrt(2.0) * sqrt(2.0) - 2.0) < 1e-15);
    CHECK(getpid() > 0);
}

/* Makes /tmp/beneath with a file, a directory and links inside and out of it. */
static int beneath_tree(void) {
    mkdir("/tmp", 0777);
    mkdir("/tmp/beneath", 0777);
    mkdir("/tmp/beneath/d", 0777);
    close(creat("/tmp/outside", 0666));
    close(creat("/tmp/beneath/d/file", 0666));
    symlink("d/file", "/tmp/beneath/in");
    symlink("../outside", "/tmp/beneath/out");
    return open("/tmp/beneath", O_RDONLY | O_DIRECTORY);
}

static void beneath_per_call(void) {
    int dir = beneath_tree(), fd;
    CHECK(dir >= 0);
    const int flags = O_RDONLY | O_RESOLVE_BENEATH;
    struct stat s;
    CHECK((fd = openat(dir, "out", O_RDONLY)) >= 0);
    close(fd);
    CHECK((fd = openat(dir, "in", flags)) >= 0);
    close(fd);
    SAME(openat(dir, "out", flags), -1); SAME(errno, EPERM);
    SAME(openat(dir, "d/../../outside", flags), -1); SAME(errno, EPERM);
    SAME(openat(dir, "/tmp/beneath/in", flags), -1); SAME(errno, EPERM);
    SAME(fstatat(dir, "in", &s, AT_RESOLVE_BENEATH), 0);
    SAME(fstatat(dir, "out", &s, AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    SAME(fstatat(dir, "/", &s, AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    SAME(unlinkat(dir, "../outside", AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    SAME(fchmodat(dir, "out", 0600, AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    SAME(renameat2(dir, "in", dir, "../moved", AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    close(dir);
}

static void beneath_sticky(void) {
    int dir = beneath_tree(), below, fd;
    CHECK(fcntl(dir, F_CAP_BENEATH) >= 0);
    CHECK((fd = openat(dir, "in", O_RDONLY)) >= 0);
    close(fd);
    SAME(openat(dir, "out", O_RDONLY), -1); SAME(errno, EPERM);
    SAME(openat(dir, "/tmp/outside", O_RDONLY), -1); SAME(errno, EPERM);
    CHECK((below = openat(dir, "d", O_RDONLY | O_DIRECTORY)) >= 0);
    SAME(openat(below, "..", O_RDONLY), -1); SAME(errno, EPERM);
    SAME(openat(dup(below), "..", O_RDONLY), -1); SAME(errno, EPERM);
    SAME(renameat(dir, "in", AT_FDCWD, "/tmp/beneath/in2"), 0);
    SAME(renameat(AT_FDCWD, "/tmp/beneath/in2", dir, "in"), 0);
    SAME(renameat(dir, "../outside", AT_FDCWD, "/tmp/moved"), -1); SAME(errno, EPERM);
    close(below), close(dir);
}

/* It cannot be undone: the last case. */
static void beneath_current_directory(void) {
    char text[64];
    struct stat s;
    int fd, dir = beneath_tree(), up = open("/tmp", O_RDONLY | O_DIRECTORY);
    SAME(fchdir(dir), 0);
    CHECK(strcmp(getcwd(text, sizeof text), "/tmp/beneath") == 0);
    SAME(fcntl(AT_FDCWD, F_CAP_BENEATH), 0);
    CHECK((fd = open("in", O_RDONLY)) >= 0);
    SAME(open("out", O_RDONLY), -1); SAME(errno, EPERM);
    SAME(open("..", O_RDONLY), -1); SAME(errno, EPERM);
    SAME(open("/tmp/outside", O_RDONLY), -1); SAME(errno, EPERM);
    SAME(open("/dev/null", O_RDONLY), -1); SAME(errno, EPERM);
    SAME(stat("/scheme/rand", &s), -1); SAME(errno, EPERM);
    SAME(chdir("/"), -1); SAME(errno, EPERM);
    /* A directory that is held may be entered, and is confined then. */
    SAME(fchdir(up), 0);
    SAME(stat("outside", &s), 0);
    SAME(stat("..", &s), -1); SAME(errno, EPERM);
}

static volatile int broken;

static void count_broken(int signal) { broken += signal == SIGPIPE; }

static void broken_pipes(void) {
    int ends[2];
    struct iovec vector = {"x", 1};
    SAME(pipe(ends), 0);
    SAME(close(ends[0]), 0);
    CHECK(signal(SIGPIPE, count_broken) == SIG_DFL);
    SAME(write(ends[1], "x", 1), -1); SAME(errno, EPIPE);
    SAME(broken, 1);
    SAME(writev(ends[1], &vector, 1), -1); SAME(errno, EPIPE);
    SAME(broken, 2);
    signal(SIGPIPE, SIG_IGN);
    SAME(write(ends[1], "x", 1), -1); SAME(errno, EPIPE);
    SAME(broken, 2);
    signal(SIGPIPE, SIG_DFL);
    SAME(close(ends[1]), 0);
}

static void program_name(void) {
    const char *slash = strrchr(program_invocation_name, '/');
    CHECK(*program_invocation_name);
    CHECK(strcmp(slash ? slash + 1 : program_invocation_name, program_invocation_short_name) == 0);
    CHECK(strcmp(program_invocation_short_name, "test-c") == 0);
}

/* Through pointers that the compiler cannot see through, or it would do the work itself. */
static void strings(void) {
    char *(*volatile copy)(char *, const char *) = strcpy;
    char *(*volatile copy_to_end)(char *, const char *) = stpcpy;
    char *(*volatile append)(char *, const char *) = strcat;
    char *(*volatile copy_some)(char *, const char *, size_t) = strncpy;
    char *(*volatile append_some)(char *, const char *, size_t) = strncat;
    void *(*volatile copy_bytes)(void *, const void *, size_t) = memcpy;
    void *(*volatile move_bytes)(void *, const void *, size_t) = memmove;
    void *(*volatile fill)(void *, int, size_t) = memset;
    size_t (*volatile length)(const char *) = strlen;
    char *(*volatile find)(const char *, int) = strchr;
    char text[32];
    CHECK(fill(text, '#', sizeof text) == text && text[0] == '#' && text[31] == '#');
    CHECK(copy(text, "one") == text && strcmp(text, "one") == 0 && text[4] == '#');
    CHECK(append(text, " two") == text && strcmp(text, "one two") == 0 && text[8] == '#');
    CHECK(append_some(text, " three", 3) == text && strcmp(text, "one two th") == 0);
    CHECK(copy_to_end(text, "four") == text + 4 && strcmp(text, "four") == 0);
    CHECK(copy_some(text, "ab", 4) == text && memcmp(text, "ab\0\0", 5) == 0);
    CHECK(copy_bytes(text, "12345678", 8) == text && memcmp(text, "12345678", 8) == 0);
    CHECK(move_bytes(text + 1, text, 7) == text + 1 && memcmp(text, "11234567", 8) == 0);
    SAME(length("12345"), 5);
    SAME(length(""), 0);
    CHECK(find("abc", 'c') && !find("abc", 'd') && !*find("abc", 0));
}

static int refused;

static int count_refused(const char *path, int number) {
    (void)path;
    refused += number == EACCES || number == EPERM;
    return 0;
}

static void path_patterns(void) {
    glob_t found;
    SAME(mkdir("/globbed", 0755), 0);
    const char *names[] = {"/globbed/b.c", "/globbed/a.c", "/globbed/.h.c", "/globbed/a.o"};
    for (int i = 0; i < 4; i++)
        SAME(close(open(names[i], O_CREAT | O_WRONLY, 0644)), 0);
    SAME(glob("/globbed/*.c", 0, 0, &found), 0);
    SAME(found.gl_pathc, 2);
    CHECK(strcmp(found.gl_pathv[0], "/globbed/a.c") == 0 && strcmp(found.gl_pathv[1], "/globbed/b.c") == 0);
    CHECK(!found.gl_pathv[2]);
    SAME(glob("/globbed/[a-z].o", GLOB_APPEND, 0, &found), 0);
    SAME(found.gl_pathc, 3);
    CHECK(strcmp(found.gl_pathv[2], "/globbed/a.o") == 0 && !found.gl_pathv[3]);
    globfree(&found);
    found.gl_offs = 2;
    SAME(glob("/globbe?", GLOB_DOOFFS | GLOB_MARK, count_refused, &found), 0);
    SAME(found.gl_pathc, 1);
    CHECK(!found.gl_pathv[0] && !found.gl_pathv[1] && strcmp(found.gl_pathv[2], "/globbed/") == 0);
    globfree(&found);
    SAME(glob("/globbed/*.z", 0, 0, &found), GLOB_NOMATCH);
    SAME(glob("/globbed/*.z", GLOB_NOCHECK, 0, &found), 0);
    CHECK(strcmp(found.gl_pathv[0], "/globbed/*.z") == 0);
    globfree(&found);
    SAME(refused, 0);
}

static const struct test_case file_cases[] = {
    /* Before what confines the current directory. */
    {"path_patterns", path_patterns},
    {"beneath_per_call", beneath_per_call},
    {"beneath_sticky", beneath_sticky},
    {"beneath_current_directory", beneath_current_directory},
};

static const struct test_case cases[] = {
    {"formats", formats},
    {"strings", strings},
    {"program_name", program_name},
    {"broken_pipes", broken_pipes},
    {"long_jumps", long_jumps},
    {"heap", heap},
    {"environment", environment},
    {"memory_maps", memory_maps},
    {"bad_descriptors", bad_descriptors},
    {"pipes", pipes},
    {"polling", polling},
    {"event_queues", event_queues},
    {"threads", threads},
    {"mutex_kinds", mutex_kinds},
    {"keys", keys},
    {"semaphores", semaphores},
    {"signals", signals},
    {"signal_to_a_thread", signal_to_a_thread},
    {"timers", timers},
    {"system_facts", system_facts},
};

/* A program that others start to see what it is given: its exit status is the answer. */
static int child(char **args) {
    char path[256];
    sigset_t mask;
    if (strcmp(args[0], "exit") == 0)
        return atoi(args[1]);
    if (strcmp(args[0], "env") == 0)
        return getenv("GIVEN") ? strlen(getenv("GIVEN")) : 0;
    if (strcmp(args[0], "fd") == 0)
        return fcntl(atoi(args[1]), F_GETFD) != -1;
    if (strcmp(args[0], "cwd") == 0)
        return getcwd(path, sizeof path) ? strlen(path) : 0;
    if (strcmp(args[0], "group") == 0)
        return getpgrp() == getpid();
    if (strcmp(args[0], "mask") == 0)
        return sigprocmask(SIG_BLOCK, 0, &mask) == 0 && sigismember(&mask, SIGUSR1);
    if (strcmp(args[0], "pending") == 0)
        return sigpending(&mask) == 0 && sigismember(&mask, SIGUSR1) == 1;
    if (strcmp(args[0], "alarm") == 0)
        return alarm(0) != 0;
    if (strcmp(args[0], "pause") == 0)
        return pause(), 97;
    if (strcmp(args[0], "rounding") == 0)
        return fegetround() == FE_TONEAREST && fetestexcept(FE_ALL_EXCEPT) == 0;
    if (strcmp(args[0], "open") == 0)
        return open("/scheme/null", O_RDONLY) >= 0;
    if (strcmp(args[0], "used") == 0)
        return clock() < atoi(args[1]) * (CLOCKS_PER_SEC / 1000);
    if (strcmp(args[0], "wait") == 0)
        return write(1, "", 1) != 1 || read(0, path, 1) != 0;
    if (strcmp(args[0], "say") == 0)
        return puts("said") < 0;
    if (strncmp(args[0], "/dev/fd/", 8) == 0)
        return pread(open(args[0], O_RDONLY), path, 2, 0) == 2 && path[0] == '#' ? 6 : 5;
    return 98;
}

/* With an argument, what needs a file system too. */
int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "child") == 0)
        return child(argv + 2);
    test_run_all("c", cases, sizeof cases / sizeof *cases);
    test_run_all("c", thread_cases, thread_case_count);
    if (argc > 1 && strcmp(argv[1], "files") == 0) {
        test_run_all("c", process_cases, process_case_count);
        test_run_all("c", user_cases, user_case_count);
        test_run_all("c", network_cases, network_case_count);
        test_run_all("c", signal_cases, signal_case_count);
        test_run_all("c", time_cases, time_case_count);
        test_run_all("c", machine_cases, machine_case_count);
        test_run_all("c", path_cases, path_case_count);
        test_run_all("c", output_cases, output_case_count);
        test_run_all("c", ending_cases, ending_case_count);
        test_run_all("c", interrupt_cases, interrupt_case_count);
        test_run_all("c", file_cases, sizeof file_cases / sizeof *file_cases);
    }
    return test_failures != 0;
}

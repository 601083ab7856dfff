/* Paths: the calls that take a directory, links from one scheme to another, FIFOs. */
#define _GNU_SOURCE
#include "cases.h"
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/openat2.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void at_functions(void) {
    SAME(mkdir("/at", 0755), 0);
    int dir = open("/at", O_RDONLY | O_DIRECTORY);
    write_file("/at/f", "text");
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
    int fd = openat2(dir, "f", &how, sizeof how);
    CHECK(fd >= 0);
    close(fd);
    SAME(openat2(dir, "../at/f", &how, sizeof how), -1); SAME(errno, EPERM);
    SAME(openat2(dir, "f", &how, 3), -1); SAME(errno, EINVAL);
    SAME(mkdirat(dir, "d", 0755), 0); SAME(mkdirat2(dir, "../x", 0755, AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    SAME(symlinkat("f", dir, "l"), 0); SAME(symlinkat2("f", dir, "../l", AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    char b[8] = "";
    SAME(readlinkat(dir, "l", b, sizeof b), 1); SAME(b[0], 'f');
    SAME(readlinkat2(dir, "../at/l", b, sizeof b, AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    SAME(linkat(dir, "f", dir, "h", 0), 0); SAME(linkat(dir, "none", dir, "x", 0), -1); SAME(errno, ENOENT);
    SAME(faccessat(dir, "f", R_OK, 0), 0); SAME(faccessat(dir, "none", F_OK, 0), -1); SAME(errno, ENOENT);
    SAME(fchownat(dir, "f", -1, -1, 0), 0); SAME(fchownat(999, "f", -1, -1, 0), -1); SAME(errno, EBADF);
    struct timespec times[2] = {{10, 0}, {20, 0}};
    SAME(utimensat(dir, "f", times, 0), 0);
    struct stat s;
    SAME(stat("/at/f", &s), 0); SAME(s.st_mtime, 20); SAME(s.st_nlink, 2);
    SAME(lchmod("/at/f", 0600), 0);
    SAME(mkfifoat(dir, "p", 0600), 0); SAME(mkfifo("/at/p", 0600), -1); SAME(errno, EEXIST);
    SAME(truncate("/at/p", 0), -1); SAME(errno, EINVAL);
    SAME(mknod("/at/n", S_IFREG | 0600, 0), 0); SAME(mknodat(dir, "m", S_IFREG | 0600, 0), 0); SAME(mknodat(dir, "c", S_IFCHR | 0600, 1), -1); SAME(errno, EPERM);
    close(dir);
}

static int confined_reads_link(void) {
    if (fcntl(AT_FDCWD, F_CAP_BENEATH) != 0)
        return 1;
    if (open("across/passwd", O_RDONLY) != -1 || errno != EPERM)
        return 2;
    if (open("across/none/of/it", O_RDONLY) != -1 || errno != EPERM)
        return 3;
    return 0;
}

/* Links from one scheme's files to another's. */
static void links_between_schemes(void) {
    struct stat direct, s;
    SAME(mkdir("/between", 0755), 0);
    SAME(symlink("/scheme/initfs/etc", "/between/across"), 0);
    SAME(symlink("across/passwd", "/between/twice"), 0);
    SAME(symlink("/scheme/initfs/etc/passwd", "/between/file"), 0);
    SAME(symlink("/scheme/nobody/x", "/between/nobody"), 0);
    SAME(symlink("../between", "/between/same"), 0);
    SAME(stat("/scheme/initfs/etc/passwd", &direct), 0);
    static const char *const paths[] = {"/between/file", "/between/twice", "/between/across/passwd", "/between/same/same/twice", "/between/across/../etc/passwd"};
    int dir = open("/between", O_RDONLY | O_DIRECTORY);
    CHECK(dir >= 0);
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *relative = paths[i] + strlen("/between/");
        SAME(stat(paths[i], &s), 0); CHECK(s.st_dev == direct.st_dev && s.st_ino == direct.st_ino);
        SAME(fstatat(dir, relative, &s, 0), 0); CHECK(s.st_ino == direct.st_ino);
        int fd = openat(dir, relative, O_RDONLY);
        CHECK(fd >= 0); close(fd);
        SAME(access(paths[i], R_OK), 0);
        /* What may not leave does not. */
        SAME(openat(dir, relative, O_RDONLY | O_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
        SAME(fstatat(dir, relative, &s, AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    }
    SAME(lstat("/between/file", &s), 0); CHECK(S_ISLNK(s.st_mode));
    SAME(lstat("/between/across/passwd", &s), 0); CHECK(S_ISREG(s.st_mode));
    SAME(open("/between/file", O_RDONLY | O_NOFOLLOW), -1); SAME(errno, ELOOP);
    SAME(open("/between/nobody", O_RDONLY), -1); SAME(errno, ENODEV);
    SAME(open("/between/across/none", O_RDONLY), -1); SAME(errno, ENOENT);
    SAME(open("/between/across", O_RDONLY | O_CREAT | O_EXCL, 0600), -1); SAME(errno, EEXIST);
    char b[64];
    SAME(readlink("/between/file", b, sizeof b), (long)strlen("/scheme/initfs/etc/passwd"));
    SAME(readlink("/between/across/passwd", b, sizeof b), -1); SAME(errno, EINVAL);
    SAME(mkdir("/between/across/new", 0755), -1); CHECK(errno == EROFS || errno == EACCES || errno == EPERM);
    SAME(unlink("/between/across/none"), -1); CHECK(errno != EXDEV);
    DIR *list = opendir("/between/across");
    CHECK(list); CHECK(readdir(list)); closedir(list);
    SAME(rename("/between/across/passwd", "/between/taken"), -1); SAME(errno, EXDEV);
    SAME(chdir("/between"), 0);
    SAME(in_child(confined_reads_link), 0);
    SAME(chdir("across"), 0);
    int fd = open("passwd", O_RDONLY);
    CHECK(fd >= 0); close(fd);
    SAME(chdir("/"), 0);
    int limited = openat(dir, ".", O_RDONLY | O_DIRECTORY);
    CHECK(fcntl(limited, F_CAP_BENEATH) >= 0);
    SAME(openat(limited, "file", O_RDONLY), -1); SAME(errno, EPERM);
    close(limited), close(dir);
    SAME(symlink("/scheme/initfs/bin", "/between/programs"), 0);
    pid_t pid = fork();
    if (pid == 0)
        execl("/between/programs/test-c", self, "child", "exit", "6", (char *)0), _exit(99);
    SAME(status_of(pid), 6);
    SAME(unlink("/between/file"), 0); SAME(stat("/scheme/initfs/etc/passwd", &s), 0);
}

static volatile int broken, rang;
static void count(int number) { broken += number == SIGPIPE; rang += number == SIGALRM; }

static void fifos(void) {
    SAME(mkfifo("/fifo", 0600), 0);
    /* A signal ends the wait of an open, a read and a write. */
    struct sigaction action = {.sa_handler = count};
    SAME(sigaction(SIGALRM, &action, 0), 0);
    ualarm(20000, 0);
    SAME(open("/fifo", O_RDONLY), -1); SAME(errno, EINTR); SAME(rang, 1);
    ualarm(20000, 0);
    SAME(open("/fifo", O_WRONLY), -1); SAME(errno, EINTR); SAME(rang, 2);
    SAME(open("/fifo", O_WRONLY | O_NONBLOCK), -1); SAME(errno, ENXIO);
    int both = open("/fifo", O_RDWR);
    CHECK(both >= 0);
    char b[PIPE_BUF] = "";
    ualarm(20000, 0);
    SAME(read(both, b, sizeof b), -1); SAME(errno, EINTR); SAME(rang, 3);
    for (int i = 0; i < 16; i++) SAME(write(both, b, sizeof b), sizeof b);
    ualarm(20000, 0);
    SAME(write(both, b, 1), -1); SAME(errno, EINTR); SAME(rang, 4);
    SAME(read(both, b, 100), 100);
    static char big[1000];
    ualarm(20000, 0);
    /* What is whole waits for all of its room. */
    SAME(write(both, big, sizeof big), -1); SAME(errno, EINTR); SAME(rang, 5);
    SAME(write(both, big, 100), 100);
    signal(SIGALRM, SIG_DFL);
    int to = open("/fifo", O_WRONLY);
    close(both);
    signal(SIGPIPE, count);
    broken = 0;
    SAME(write(to, "x", 1), -1); SAME(errno, EPIPE); SAME(broken, 1);
    signal(SIGPIPE, SIG_DFL);
    SAME(lseek(to, 0, SEEK_SET), -1); SAME(errno, ESPIPE);
    SAME(fpathconf(to, _PC_PIPE_BUF), PIPE_BUF);
    close(to);
    SAME(unlink("/fifo"), 0);
}

/* What is no link is not read, nor waited for. */
static void no_links(void) {
    static const char *const paths[] = {
        "/", "/no-links/file", "/no-links/fifo", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/stdout",
        "/scheme/file", "/scheme/rand", "/scheme/initfs/etc/passwd",
    };
    char b[16];
    SAME(mkdir("/no-links", 0755), 0);
    write_file("/no-links/file", "text");
    SAME(mkfifo("/no-links/fifo", 0600), 0);
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        errno = 0;
        if (readlink(paths[i], b, sizeof b) != -1 || errno != EINVAL) {
            snprintf(test_reason, sizeof test_reason, "readlink(\"%s\"): errno %d", paths[i], errno);
            longjmp(test_failed, 1);
        }
    }
    SAME(readlink("/no-links/none", b, sizeof b), -1); SAME(errno, ENOENT);
    SAME(readlink("/dev/fd/99", b, sizeof b), -1); SAME(errno, EBADF);
    SAME(unlink("/no-links/file"), 0); SAME(unlink("/no-links/fifo"), 0); SAME(rmdir("/no-links"), 0);
}

/* Where a file may not be removed, that is what is told, not that it is no folder. */
static void removing(void) {
    SAME(unlink("/scheme/initfs/etc/passwd"), -1);
    int denied = errno;
    SAME(remove("/scheme/initfs/etc/passwd"), -1); SAME(errno, denied);
    SAME(mkdir("/removing", 0755), 0);
    write_file("/removing/file", "text");
    SAME(remove("/removing"), -1); CHECK(errno == ENOTEMPTY || errno == EEXIST);
    SAME(remove("/removing/file"), 0); SAME(remove("/removing"), 0);
    SAME(remove("/removing"), -1); SAME(errno, ENOENT);
}

/* Files of different daemons are told apart by st_dev and st_ino, and none of these is a directory. */
static void devices_are_different_files(void) {
    static const char *const paths[] = {"/", "/dev/null", "/dev/zero", "/dev/urandom"};
    static const char *const below[] = {0, "/scheme/null/file", "/scheme/zero/file", "/scheme/rand/file"};
    enum { COUNT = sizeof paths / sizeof *paths };
    struct stat s[COUNT];
    for (int i = 0; i < COUNT; i++) {
        SAME(stat(paths[i], &s[i]), 0);
        for (int j = 0; j < i; j++)
            CHECK(s[i].st_dev != s[j].st_dev || s[i].st_ino != s[j].st_ino);
        if (i == 0)
            continue;
        SAME(open(below[i], O_RDONLY), -1); SAME(errno, ENOTDIR);
        SAME(open(below[i], O_WRONLY | O_CREAT, 0600), -1); SAME(errno, ENOTDIR);
        SAME(stat(below[i], &s[i]), -1); SAME(errno, ENOTDIR);
        SAME(stat(paths[i], &s[i]), 0);
        int fd = open(paths[i], O_RDONLY);
        SAME(lseek(fd, 12, SEEK_SET), 12); SAME(lseek(fd, 0, SEEK_END), 0);
        close(fd);
    }
}

/* What realpath and getcwd say leads to the same file again, whichever scheme it is of. */
static void full_paths(void) {
    static const struct { const char *path, *full; } rows[] = {
        {"/scheme/initfs", "/scheme/initfs"},
        {"/scheme/initfs/bin/..", "/scheme/initfs"},
        {"/scheme/initfs/bin/../bin", "/scheme/initfs/bin"},
        {"/scheme/file", "/"},
        {"/scheme/file/full/in/..", "/full"},
        {"/full/link", "/scheme/initfs/bin"},
        {"/full/./in//", "/full/in"},
        {"/", "/"},
    };
    SAME(mkdir("/full", 0755), 0); SAME(mkdir("/full/in", 0755), 0);
    SAME(symlink("/scheme/initfs/bin", "/full/link"), 0);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        char real[PATH_MAX], current[PATH_MAX];
        struct stat named, found;
        CHECK(realpath(rows[i].path, real) && strcmp(real, rows[i].full) == 0);
        SAME(chdir(rows[i].path), 0);
        CHECK(getcwd(current, sizeof current) && strcmp(current, rows[i].full) == 0);
        SAME(stat(rows[i].path, &named), 0); SAME(stat(real, &found), 0);
        CHECK(named.st_dev == found.st_dev && named.st_ino == found.st_ino);
    }
    SAME(chdir("/"), 0);
    SAME(unlink("/full/link"), 0); SAME(rmdir("/full/in"), 0); SAME(rmdir("/full"), 0);
}

static void texts_of_paths(void) {
    /* What needs no change is not written to. */
    CHECK(strcmp(basename((char *)"/a/b"), "b") == 0 && strcmp(dirname((char *)"/"), "/") == 0 && strcmp(dirname((char *)"a"), ".") == 0);
    char *place = getcwd(0, 3000);
    CHECK(place && malloc_usable_size(place) >= 3000);
    free(place);
    CHECK(!getcwd(0, 1)); SAME(errno, ERANGE);
}

const struct test_case path_cases[] = {
    {"texts_of_paths", texts_of_paths},
    {"full_paths", full_paths},
    {"at_functions", at_functions},
    {"links_between_schemes", links_between_schemes},
    {"fifos", fifos},
    {"no_links", no_links},
    {"removing", removing},
    {"devices_are_different_files", devices_are_different_files},
};
const unsigned path_case_count = sizeof path_cases / sizeof *path_cases;

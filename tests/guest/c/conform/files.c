/* Files and folders: what succeeds, and what is refused with which error. */
#include "conform.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#define TRY(call) (errno = 0, row("%s = %ld %s", #call, (long)(call), error(errno)))
/* The same where the value is the system's own. */
#define OK(call) (errno = 0, row("%s: %s", #call, (call) == -1 ? error(errno) : "done"))

static char long_path[5000], long_name[300];

static void make(const char *path, const char *text) {
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    if (write(fd, text, strlen(text)) < 0)
        row("cannot write");
    close(fd);
}

static void tree(void) {
    memset(long_path, 'x', sizeof long_path - 1);
    for (size_t i = 100; i < sizeof long_path - 1; i += 100)
        long_path[i] = '/';
    memset(long_name, 'n', sizeof long_name - 1);
    OK(chdir(scratch));
    TRY(mkdir("files", 0755)), TRY(mkdir("files", 0755)), TRY(mkdir("/", 0755)), TRY(mkdir("no/folder", 0755)), TRY(mkdir("", 0755)), TRY(mkdir(long_path, 0755)), TRY(mkdir(long_name, 0755));
    TRY(chdir("files"));
    TRY(mkdir("sub", 0755)), TRY(mkdir("sub/deep", 0755)), TRY(mkdir("empty", 0755));
    make("a", "alpha"), make("sub/b", "beta"), make("sub/deep/c", "gamma");
    TRY(symlink("a", "link")), TRY(symlink("nowhere", "dangling")), TRY(symlink("loop", "loop")), TRY(symlink("sub", "folder")), TRY(symlink("", "none")), TRY(symlink("x", "a"));
    TRY(link("a", "hard")), TRY(link("none", "x")), TRY(link("a", "sub")), TRY(link("a", "no/x"));
}

static void opening(void) {
    static const struct { const char *path; int flags; } cases[] = {
        {"a", O_RDONLY}, {"none", O_RDONLY}, {"a/x", O_RDONLY}, {"sub", O_RDONLY}, {"sub", O_WRONLY}, {"sub", O_RDWR | O_CREAT}, {"a", O_RDONLY | O_DIRECTORY}, {"sub", O_RDONLY | O_DIRECTORY}, {"a", O_CREAT | O_EXCL | O_WRONLY},
        {"link", O_RDONLY}, {"link", O_RDONLY | O_NOFOLLOW}, {"dangling", O_RDONLY}, {"dangling", O_CREAT | O_EXCL | O_WRONLY}, {"loop", O_RDONLY}, {"folder/b", O_RDONLY}, {"a/", O_RDONLY}, {"link/", O_RDONLY}, {"", O_RDONLY}, {"sub/../a", O_RDONLY}, {"no/../a", O_RDONLY}, {"./././a", O_RDONLY}, {"//", O_RDONLY}, {"new/", O_CREAT | O_WRONLY}, {"link", O_CREAT | O_EXCL | O_WRONLY},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        errno = 0;
        int fd = open(cases[i].path, cases[i].flags, 0600);
        row("open(%s, case %zu): %s", cases[i].path, i, fd < 0 ? error(errno) : "open");
        if (fd >= 0)
            close(fd);
    }
    errno = 0;
    row("long path: %d %s", open(long_path, O_RDONLY), error(errno));
    errno = 0;
    row("long name: %d %s", open(long_name, O_RDONLY), error(errno));
    errno = 0;
    int fd = open("\xff\xfe name", O_CREAT | O_WRONLY, 0600);
    row("odd bytes: %s", fd >= 0 || errno ? "answered" : "nothing");
    if (fd >= 0)
        close(fd), unlink("\xff\xfe name");
    fd = creat("made", 0600);
    row("creat: %d", fd >= 0);
    close(fd);
    TRY(access("a", R_OK)), TRY(access("none", F_OK)), TRY(access("a", 99)), TRY(access("dangling", F_OK));
}

static void reading(void) {
    char b[32];
    int fd = open("io", O_RDWR | O_CREAT | O_TRUNC, 0644);
    TRY(write(fd, "0123456789", 10)), TRY(lseek(fd, 3, SEEK_SET)), TRY(read(fd, b, 4)), TRY(lseek(fd, 0, SEEK_CUR)), TRY(lseek(fd, -100, SEEK_CUR)), TRY(lseek(fd, 0, 99)), TRY(lseek(fd, -2, SEEK_END)), TRY(read(fd, b, 10)), TRY(read(fd, b, 10));
    TRY(pread(fd, b, 3, 1)), TRY(pread(fd, b, 3, -1)), TRY(pread(fd, b, 3, 100)), TRY(pwrite(fd, "XY", 2, 4)), TRY(pwrite(fd, "XY", 2, -4));
    struct iovec parts[2] = {{b, 2}, {b + 10, 3}};
    TRY(lseek(fd, 0, SEEK_SET)), TRY(readv(fd, parts, 2)), TRY(readv(fd, parts, -1)), TRY(writev(fd, parts, 2)), TRY(preadv(fd, parts, 2, 0)), TRY(pwritev(fd, parts, 2, 20));
    row("bytes %s %s", shown_bytes(b, 2), shown_bytes(b + 10, 3));
    TRY(ftruncate(fd, 5)), TRY(lseek(fd, 0, SEEK_END)), TRY(ftruncate(fd, 50)), TRY(lseek(fd, 0, SEEK_END)), TRY(ftruncate(fd, -1)), TRY(truncate("io", 7)), TRY(truncate("none", 7)), TRY(truncate("sub", 7)), TRY(truncate("io", -7));
    TRY(posix_fallocate(fd, 0, 100)), TRY(lseek(fd, 0, SEEK_END)), TRY(posix_fallocate(fd, -1, 5)), TRY(posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL)), TRY(fsync(fd)), TRY(fdatasync(fd));
    TRY(flock(fd, LOCK_EX)), TRY(flock(fd, LOCK_UN)), TRY(lockf(fd, F_LOCK, 5)), TRY(lockf(fd, F_TEST, 5)), TRY(lockf(fd, F_ULOCK, 5)), TRY(lockf(fd, 99, 5));
    close(fd);
    TRY(read(fd, b, 1)), TRY(write(fd, b, 1)), TRY(lseek(fd, 0, 0)), TRY(fsync(fd)), TRY(ftruncate(fd, 0)), TRY(close(fd)), TRY(dup(fd)), TRY(fchmod(fd, 0)), TRY(fchown(fd, 0, 0)), TRY(pread(fd, b, 1, 0)), TRY(flock(fd, LOCK_EX));
    fd = open("io", O_RDONLY);
    TRY(write(fd, "x", 1));
    row("ftruncate: %d", ftruncate(fd, 0));
    close(fd);
    fd = open("sub", O_RDONLY);
    TRY(read(fd, b, 1));
    close(fd);
    fd = open("io", O_WRONLY);
    TRY(read(fd, b, 1));
    row("dup3: %d, %s", dup3(fd, 90, O_CLOEXEC), (errno = 0, dup3(90, 90, 0) == -1) ? error(errno) : "?");
    close(90), close(fd);
    sync();
}

static const char *kind(mode_t mode) {
    return S_ISDIR(mode) ? "folder" : S_ISREG(mode) ? "file" : S_ISLNK(mode) ? "link" : S_ISFIFO(mode) ? "pipe" : "other";
}

static void looking(void) {
    static const char *const paths[] = {"a", "sub", "link", "dangling", "loop", "none", "a/x", "sub/", "a/", "link/", "folder/", ""};
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct stat s, l;
        errno = 0;
        int n = stat(paths[i], &s), e = errno, m = lstat(paths[i], &l);
        row("%s: %s %s, %s %s", paths[i], n ? "-" : kind(s.st_mode), error(e), m ? "-" : kind(l.st_mode), m ? error(errno) : "ok");
    }
    struct stat s;
    stat("a", &s);
    row("a: size %lld links %d mode %o", (long long)s.st_size, (int)s.st_nlink, (int)s.st_mode & 0777);
    TRY(chmod("a", 0640)), stat("a", &s);
    row("mode %o", (int)s.st_mode & 07777);
    mode_t mask = umask(027);
    close(open("masked", O_CREAT | O_WRONLY, 0666)), stat("masked", &s);
    row("umask %o: mode %o", umask(mask), (int)s.st_mode & 0777);
    int fd = open("a", O_RDWR);
    TRY(fchmod(fd, 0600)), fstat(fd, &s);
    row("mode %o", (int)s.st_mode & 07777);
    TRY(chmod("none", 0600)), TRY(chown("a", -1, -1)), TRY(lchown("link", -1, -1)), TRY(fchown(fd, -1, -1)), TRY(chown("none", -1, -1));
    struct utimbuf old = {1000, 2000};
    TRY(utime("a", &old)), stat("a", &s);
    row("times %lld %lld", (long long)s.st_atime, (long long)s.st_mtime);
    struct timeval values[2] = {{3000, 500000}, {4000, 250000}};
    TRY(utimes("a", values)), stat("a", &s);
    row("times %lld %lld", (long long)s.st_atime, (long long)s.st_mtime);
    struct timespec exact[2] = {{5000, 1}, {6000, UTIME_OMIT}};
    TRY(futimens(fd, exact)), stat("a", &s);
    row("times %lld %lld", (long long)s.st_atime, (long long)s.st_mtime);
    TRY(futimes(fd, values)), TRY(lutimes("link", values)), TRY(utimes("none", values));
    struct timespec bad[2] = {{0, 2000000000}, {0, 0}};
    TRY(futimens(fd, bad));
    struct statvfs v;
    struct statfs f;
    row("statvfs: %d %d %d %d, %d", statvfs(".", &v), fstatvfs(fd, &v), statfs(".", &f), fstatfs(fd, &f), v.f_bsize > 0 && f.f_bsize > 0 && v.f_namemax >= 255);
    TRY(statvfs("none", &v)), TRY(statfs("none", &f));
    row("pathconf: %ld %ld, %d", pathconf(".", _PC_NAME_MAX), fpathconf(fd, _PC_NAME_MAX), pathconf(".", 9999) == -1);
    close(fd);
    char b[64];
    memset(b, '#', sizeof b);
    row("readlink: %ld %s", (long)readlink("link", b, sizeof b), shown_bytes(b, 3));
    row("cut: %ld", (long)readlink("dangling", b, 3));
    TRY(readlink("a", b, sizeof b)), TRY(readlink("none", b, sizeof b));
    char real[PATH_MAX], *answer = realpath("folder/../sub/b", real);
    row("realpath: %s", answer ? strrchr(answer, '/') : error(errno));
    errno = 0;
    row("realpath none: %d %s", realpath("none", NULL) == NULL, error(errno));
    errno = 0;
    row("realpath loop: %d %s", realpath("loop", NULL) == NULL, error(errno));
}

static int without_dots(const struct dirent *e) { return e->d_name[0] != '.'; }

static int visits;
static int visit_old(const char *path, const struct stat *s, int what) {
    (void)path, (void)s;
    visits += 1 + 100 * (what == FTW_D);
    return 0;
}
static char seen[32][64];
static int seen_count;
static int visit(const char *path, const struct stat *s, int what, struct FTW *place) {
    (void)s;
    if (seen_count < 32)
        snprintf(seen[seen_count++], 64, "%s %d %d %s", path, what, place->level, path + place->base);
    return 0;
}
static int stop(const char *path, const struct stat *s, int what, struct FTW *place) {
    (void)path, (void)s, (void)place;
    return what == FTW_F ? 42 : 0;
}
static int by_text(const void *a, const void *b) { return strcmp(a, b); }

static void folders(void) {
    DIR *d = opendir("sub");
    int count = 0, dots = 0;
    /* Whether `.` and `..` are among them is the system's affair. */
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.', dots += e->d_name[0] == '.';
    row("readdir: %d, fd %d", count, dirfd(d) >= 0);
    rewinddir(d);
    long place = telldir(d);
    struct dirent entry, *got;
    row("readdir_r: %d %d", readdir_r(d, &entry, &got), got == &entry);
    seekdir(d, place);
    int again = 0;
    while (readdir(d))
        again++;
    row("seekdir: %d", again == count + dots);
    row("closedir: %d", closedir(d));
    errno = 0;
    row("opendir(none): %d %s", opendir("none") == NULL, error(errno));
    errno = 0;
    row("opendir(file): %d %s", opendir("a") == NULL, error(errno));
    int fd = open("sub", O_RDONLY | O_DIRECTORY);
    d = fdopendir(fd);
    row("fdopendir: %d", d != NULL);
    closedir(d);
    fd = open("a", O_RDONLY);
    errno = 0;
    row("fdopendir(file): %d %s", fdopendir(fd) == NULL, error(errno));
    close(fd);
    struct dirent **list;
    make("sub/f10", ""), make("sub/f9", "");
    int n = scandir("sub", &list, without_dots, alphasort);
    for (int i = 0; i < n; i++)
        row("alphasort: %s", list[i]->d_name), free(list[i]);
    free(list);
    n = scandir("sub", &list, without_dots, versionsort);
    for (int i = 0; i < n; i++)
        row("versionsort: %s", list[i]->d_name), free(list[i]);
    free(list);
    TRY(scandir("none", &list, NULL, NULL));
    row("ftw: %d, %d", ftw("sub", visit_old, 8), visits);
    static const int flags[] = {FTW_PHYS, FTW_PHYS | FTW_DEPTH, FTW_PHYS | FTW_CHDIR, FTW_PHYS | FTW_MOUNT};
    for (size_t i = 0; i < COUNT(flags); i++) {
        seen_count = 0;
        row("nftw: %d", nftw("sub", visit, 8, flags[i]));
        if (!(flags[i] & FTW_DEPTH))
            qsort(seen, seen_count, 64, by_text);
        else
            row("last: %s", seen[seen_count - 1]);
        for (int j = 0; !(flags[i] & FTW_DEPTH) && j < seen_count; j++)
            row(" %s", seen[j]);
    }
    row("stopped: %d", nftw("sub", stop, 8, FTW_PHYS));
    TRY(nftw("none", visit, 8, 0));
}

static void removing(void) {
    TRY(rename("a", "sub")), TRY(rename("sub", "a")), TRY(rename("sub", "sub/deep/inside")), TRY(rename("none", "x")), TRY(rename("a", "no/x")), TRY(rename("sub", "empty")), TRY(rename("a", "a")), TRY(rename("link", "link2"));
    TRY(rmdir("empty")), TRY(rmdir("a")), TRY(rmdir("none")), TRY(rmdir(".")), TRY(unlink("none")), TRY(unlink("a/x")), TRY(unlink("hard")), TRY(remove("masked"));
    OK(unlink("link2"));
    int fd = open("made", O_RDWR);
    TRY(unlink("made"));
    row("still there: %zd", write(fd, "x", 1));
    close(fd);
    char b[64] = "tempXXXXXX", c[64] = "dirXXXXXX", d[64] = "sXXXXXX.c", e[64] = "oXXXXXX", f[64] = "bothXXXXXX.h", bad[] = "noXs";
    fd = mkstemp(b);
    row("mkstemp: %d %zu", fd >= 0, strlen(b));
    close(fd), unlink(b);
    row("mkdtemp: %d", mkdtemp(c) == c);
    rmdir(c);
    fd = mkstemps(d, 2);
    row("mkstemps: %d %s", fd >= 0, d + 7);
    close(fd), unlink(d);
    fd = mkostemp(e, O_CLOEXEC);
    row("mkostemp: %d %d", fd >= 0, fcntl(fd, F_GETFD) != 0);
    close(fd), unlink(e);
    fd = mkostemps(f, 2, O_APPEND);
    row("mkostemps: %d", fd >= 0);
    close(fd), unlink(f);
    TRY(mkstemp(bad));
    char g[] = "mXXXXXX";
    row("mktemp: %d %d", mktemp(g) == g, access(g, F_OK));
}

void section_files(void) {
    mkdir(scratch, 0755);
    tree();
    opening();
    reading();
    looking();
    folders();
    removing();
    if (chdir("/") != 0)
        row("no root");
}

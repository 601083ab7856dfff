/* Who a process is: users, groups, sessions, priorities, and what is known of users. */
#define _GNU_SOURCE
#include "cases.h"
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int change_users(void) {
    /* As the superuser, which a test's process is. */
    uid_t r, e, s;
    gid_t rg, eg, sg;
    int wrong = 0;
    wrong |= setgroups(0, 0) != 0;
    wrong |= initgroups("root", getegid()) != 0;
    wrong |= setresgid(5, 6, 7) != 0 || getresgid(&rg, &eg, &sg) != 0 || rg != 5 || eg != 6 || sg != 7;
    wrong |= setregid(6, 5) != 0 || getgid() != 6 || getegid() != 5;
    wrong |= setegid(6) != 0 || getegid() != 6;
    wrong |= setgid(8) != 0 || getgid() != 8;
    wrong |= seteuid(0) != 0;
    wrong |= setresuid(10, 11, 12) != 0 || getresuid(&r, &e, &s) != 0 || r != 10 || e != 11 || s != 12;
    wrong |= setreuid(11, 10) != 0 || getuid() != 11 || geteuid() != 10;
    wrong |= seteuid(11) != 0 || geteuid() != 11;
    wrong |= setuid(0) != -1 || errno != EPERM;
    wrong |= setresuid(0, 0, 0) != -1;
    return wrong;
}

static int users_are(uid_t real, uid_t effective, uid_t saved) {
    uid_t r, e, s;
    return getresuid(&r, &e, &s) == 0 && r == real && e == effective && s == saved;
}
static int no_way_back(void) {
    gid_t r, e, s;
    int wrong = setregid(1000, 1000) != 0 || getresgid(&r, &e, &s) != 0 || r != 1000 || e != 1000 || s != 1000;
    /* The saved one stays only if the effective one becomes the real one, and that does not change. */
    wrong |= setresuid(0, 0, 5) != 0 || setreuid(-1, -1) != 0 || !users_are(0, 0, 5);
    wrong |= setreuid(-1, 0) != 0 || !users_are(0, 0, 5);
    wrong |= setreuid(0, -1) != 0 || !users_are(0, 0, 0);
    wrong |= setreuid(-1, 7) != 0 || !users_are(0, 7, 7);
    wrong |= seteuid(0) != 0 || setreuid(1000, 1000) != 0 || !users_are(1000, 1000, 1000);
    wrong |= seteuid(0) != -1 || errno != EPERM;
    return wrong;
}

static int change_groups(void) {
    int wrong = setpgid(0, 0) != 0 || getpgrp() != getpid() || getpgid(0) != getpid();
    wrong |= setpgrp() != 0;
    wrong |= setpgid(0, -1) != -1 || errno != EINVAL;
    wrong |= setsid() != -1;
    return wrong;
}
static int new_session(void) { return setsid() != getpid() || getsid(0) != getpid() || getpgid(getpid()) != getpid(); }
static int slower(void) {
    errno = 0;
    int before = getpriority(PRIO_PROCESS, 0);
    return nice(3) != before + 3 || getpriority(PRIO_PROCESS, 0) != before + 3 || setpriority(PRIO_PROCESS, 0, 19) != 0 || getpriority(PRIO_PROCESS, 0) != 19 || setpriority(77, 0, 0) != -1 || errno != EINVAL;
}

static void identities(void) {
    SAME(getuid(), geteuid()); SAME(getgid(), getegid());
    CHECK(getppid() > 0 && getpid() > 0);
    SAME(getgroups(-1, 0), -1); SAME(errno, EINVAL);
    CHECK(getgroups(0, 0) >= 0);
    SAME(in_child(change_users), 0);
    SAME(in_child(no_way_back), 0);
    SAME(in_child(change_groups), 0);
    SAME(in_child(new_session), 0);
    SAME(in_child(slower), 0);
    SAME(getsid(999999), -1); SAME(errno, ESRCH);
    SAME(chroot("/"), -1); SAME(errno, EPERM);
    char name[64] = "";
    SAME(setenv("LOGNAME", "somebody", 1), 0);
    CHECK(strcmp(getlogin(), "somebody") == 0);
    SAME(getlogin_r(name, sizeof name), 0); CHECK(strcmp(name, "somebody") == 0);
    SAME(getlogin_r(name, 3), ERANGE);
}

/* Whatever the way, and whoever opened the directory: a child that has become somebody else moves and links nothing
   where only the superuser may. Answers the number of the first row that is not as it should be. */
static int names_as_another(void) {
    int dir, all;
    umask(0);
    if (mkdir("/closed", 0755) != 0 || mkdir("/all", 0777) != 0 || mkdir("/hidden", 0700) != 0 || mkdir("/sticky", 01777) != 0) return 100;
    write_file("/closed/f", "f");
    write_file("/hidden/f", "f");
    write_file("/sticky/f", "f");
    if (chmod("/closed/f", 0666) != 0) return 101;
    if ((dir = open("/closed", O_RDONLY | O_DIRECTORY)) < 0 || (all = open("/all", O_RDONLY | O_DIRECTORY)) < 0) return 102;
    if (chdir("/closed") != 0 || setgroups(0, 0) != 0 || setgid(1000) != 0 || setuid(1000) != 0) return 103;
    const struct { int from; const char *old; int to; const char *new; } rows[] = {
        {AT_FDCWD, "/closed/f", AT_FDCWD, "/all/f"}, {AT_FDCWD, "f", AT_FDCWD, "/all/f"}, {dir, "f", all, "f"},
        {AT_FDCWD, "f", AT_FDCWD, "g"},              {dir, "f", dir, "g"},                {all, "../closed/f", all, "f"},
        {AT_FDCWD, "/hidden/f", AT_FDCWD, "/all/f"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        errno = 0;
        if (renameat(rows[i].from, rows[i].old, rows[i].to, rows[i].new) != -1 || errno != EACCES) return 1 + i;
    }
    write_file("/all/own", "own");
    const struct { int to; const char *new; } links[] = {{AT_FDCWD, "/closed/own"}, {AT_FDCWD, "own"}, {dir, "own"}, {all, "../closed/own"}};
    for (unsigned i = 0; i < sizeof links / sizeof *links; i++) {
        errno = 0;
        if (linkat(AT_FDCWD, "/all/own", links[i].to, links[i].new, 0) != -1 || errno != EACCES) return 20 + i;
    }
    if (rename("/all/own", "/all/moved") != 0 || renameat(all, "moved", all, "own") != 0) return 30;
    if (linkat(all, "own", all, "second", 0) != 0 || unlinkat(all, "second", 0) != 0) return 31;
    errno = 0;
    if (unlinkat(dir, "f", 0) != -1 || errno != EACCES) return 40;
    if (unlink("f") != -1 || unlink("/closed/f") != -1 || errno != EACCES) return 41;
    /* What tells why is not that it is no folder. */
    if (unlink("/sticky/f") != -1 || errno != EPERM || remove("/sticky/f") != -1 || errno != EPERM) return 42;
    return 0;
}

static void names_of_others(void) {
    SAME(in_child(names_as_another), 0);
    unlink("/closed/f"); unlink("/hidden/f"); unlink("/all/own"); unlink("/sticky/f");
    SAME(rmdir("/closed") | rmdir("/hidden") | rmdir("/all") | rmdir("/sticky"), 0);
}

static void users_and_groups(void) {
    mkdir("/etc", 0755);
    write_file("/etc/passwd", "root;0;0;root;file:/root;file:/bin/sh\nuser;1000;1000;A User;/home/user;/bin/sh\n");
    write_file("/etc/group", "root;0;root\nuser;1000;user\nusers;100;user,root\n");
    struct passwd *p = getpwnam("user"), own, *found;
    CHECK(p && p->pw_uid == 1000 && strcmp(p->pw_dir, "/home/user") == 0);
    p = getpwuid(0);
    CHECK(p && strcmp(p->pw_name, "root") == 0);
    CHECK(!getpwnam("none") && !getpwuid(77));
    char b[256];
    SAME(getpwnam_r("user", &own, b, sizeof b, &found), 0); CHECK(found == &own && own.pw_gid == 1000);
    SAME(getpwnam_r("user", &own, b, 3, &found), ERANGE); CHECK(!found);
    SAME(getpwuid_r(55, &own, b, sizeof b, &found), 0); CHECK(!found);
    int count = 0;
    setpwent();
    while (getpwent())
        count++;
    endpwent();
    SAME(count, 2);
    struct group *g = getgrnam("users"), group, *found_group;
    CHECK(g && g->gr_gid == 100 && strcmp(g->gr_mem[0], "user") == 0 && strcmp(g->gr_mem[1], "root") == 0 && !g->gr_mem[2]);
    g = getgrgid(1000);
    CHECK(g && strcmp(g->gr_name, "user") == 0);
    SAME(getgrnam_r("users", &group, b, sizeof b, &found_group), 0); CHECK(found_group == &group);
    SAME(getgrgid_r(100, &group, b, 4, &found_group), ERANGE);
    count = 0;
    setgrent();
    while (getgrent())
        count++;
    endgrent();
    SAME(count, 3);
    gid_t list[4];
    int room = 4;
    SAME(getgrouplist("user", 1000, list, &room), 2); SAME(room, 2); SAME(list[0], 1000); SAME(list[1], 100);
    room = 1;
    SAME(getgrouplist("user", 1000, list, &room), -1); SAME(room, 2);
}

const struct test_case user_cases[] = {
    {"identities", identities},
    {"names_of_others", names_of_others},
    {"users_and_groups", users_and_groups},
};
const unsigned user_case_count = sizeof user_cases / sizeof *user_cases;

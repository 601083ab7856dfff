/* Groups. */
#ifndef _GRP_H
#define _GRP_H

#ifdef __cplusplus
extern "C" {
#endif

typedef __SIZE_TYPE__ size_t;
typedef int gid_t;

struct group {
    char *gr_name;
    char *gr_passwd;
    gid_t gr_gid;
    char **gr_mem;
};

void setgrent(void);
void endgrent(void);
struct group *getgrent(void);
struct group *getgrnam(const char *name);
int getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size, struct group **result);
struct group *getgrgid(gid_t group);
int getgrgid_r(gid_t group, struct group *entry, char *buffer, size_t size, struct group **result);
int getgrouplist(const char *user, gid_t group, gid_t *list, int *count);
int initgroups(const char *user, gid_t group);
int setgroups(size_t count, const gid_t *list);

#ifdef __cplusplus
}
#endif
#endif

/* <time.h>: calendars, zones, formats. */
#include "conform.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const long long moments[] = {0, 1, -1, 86399, 951782400, 1078012800, 1234567890, 1711846799, 1711846800, 1729990799, 1729990800, 2147483647, 2147483648LL, 4102444800LL, -2208988800LL, 253402300799LL};
static const char *const zones[] = {"UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+0545>-5:45", "NZST-12NZDT,M9.5.0,M4.1.0/3", "AEST-10", "", "XXX3YYY,J60,J300", "AAA2BBB1,59/1,299/3:30"};

static void show(const char *what, const struct tm *t) {
    row("%s: %d-%02d-%02d %02d:%02d:%02d week %d year %d dst %d offset %ld %s", what, t->tm_year + 1900, t->tm_mon + 1, t->tm_mday, t->tm_hour, t->tm_min, t->tm_sec, t->tm_wday, t->tm_yday, t->tm_isdst, (long)t->tm_gmtoff, t->tm_zone ? t->tm_zone : "-");
}

void section_time(void) {
    struct tm t;
    char b[256];
    for (size_t z = 0; z < COUNT(zones); z++) {
        setenv("TZ", zones[z], 1);
        tzset();
        row("TZ=%s: %s %s %ld %d", zones[z], tzname[0], daylight ? tzname[1] : "-", timezone, daylight);
        for (size_t i = 0; i < COUNT(moments); i++) {
            time_t at = moments[i];
            /* glibc's rules begin in 1971. */
            if (at < 86400 && z > 0)
                continue;
            localtime_r(&at, &t);
            show("local", &t);
            row("back: %lld", (long long)mktime(&t) - moments[i]);
        }
    }
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    for (size_t i = 0; i < COUNT(moments); i++) {
        time_t at = moments[i];
        gmtime_r(&at, &t);
        t.tm_zone = "-";
        show("gm", &t);
        row("timegm: %lld", (long long)timegm(&t) - moments[i]);
        if (at >= 86400 && at < 253402300799LL) {
            row("asctime: %s", shown(asctime(gmtime(&at))));
            row("ctime: %s", shown(ctime(&at)));
            row("localtime: %d", localtime(&at)->tm_hour);
            row("_r: %s %s", shown(asctime_r(&t, b)), shown(ctime_r(&at, b + 100)));
        }
    }
    static const char formats[] = "aAbBcCdDeFgGhHIjklmMnprRStTuUVwWxXyYz%s";
    time_t at = 1234567890;
    gmtime_r(&at, &t);
    for (size_t i = 0; i < sizeof formats - 1; i++) {
        char format[4] = {'%', formats[i], 0};
        size_t n = strftime(b, sizeof b, format, &t);
        row("%%%c = %zu %s", formats[i], n, shown(b));
    }
    static const int days[][3] = {{2005, 1, 1}, {2008, 12, 29}, {2010, 1, 3}, {2012, 12, 31}, {2016, 2, 29}, {2021, 1, 4}};
    for (size_t i = 0; i < COUNT(days); i++) {
        memset(&t, 0, sizeof t);
        t.tm_year = days[i][0] - 1900, t.tm_mon = days[i][1] - 1, t.tm_mday = days[i][2];
        timegm(&t);
        strftime(b, sizeof b, "%G-%V-%u %g %U %W %j %Ey %Od %5Y %-d %_H", &t);
        row("week: %s", b);
    }
    row("too small: %zu", strftime(b, 3, "%Y-%m", &t));
    locale_t c = newlocale(LC_ALL_MASK, "C", 0);
    row("strftime_l: %zu %s", strftime_l(b, sizeof b, "%A", &t, c), b);
    freelocale(c);
    static const struct { int y, mo, d, h, mi, s, dst; } odd[] = {{2024, 14, 1, 0, 0, 0, -1}, {2024, 0, 0, 0, 0, 0, -1}, {2024, 2, 31, 25, 61, 61, -1}, {2024, 2, 31, 2, 30, 0, -1}, {2024, 9, 27, 2, 30, 0, 1}, {2024, 9, 27, 2, 30, 0, 0}, {1990, -5, 3, -30, 5, 0, 0}, {2100, 1, 29, 0, 0, 0, 0}};
    for (size_t i = 0; i < COUNT(odd); i++) {
        t = (struct tm){.tm_year = odd[i].y - 1900, .tm_mon = odd[i].mo, .tm_mday = odd[i].d, .tm_hour = odd[i].h, .tm_min = odd[i].mi, .tm_sec = odd[i].s, .tm_isdst = odd[i].dst};
        struct tm u = t;
        long long local = mktime(&t), global = timegm(&u), same = timelocal(&t);
        row("mktime %lld, timegm %lld, %d", local, global, same == local);
        show(" is", &t);
    }
    static const char *const texts[][2] = {{"2024-02-29 13:14:15", "%Y-%m-%d %H:%M:%S"}, {"Thu Feb 29 2024", "%a %b %d %Y"}, {"29/02/24", "%d/%m/%y"}, {"1234567890", "%s"}, {"11:59 PM", "%I:%M %p"}, {"  7", "%e"}, {"2024-13-01", "%Y-%m-%d"}, {"x", "%Y"}, {"12%", "%d%%"}, {"+0130", "%z"}, {"2024-02-29T01:02:03", "%FT%T"}, {"February", "%B"}};
    for (size_t i = 0; i < COUNT(texts); i++) {
        memset(&t, 0, sizeof t);
        char *end = strptime(texts[i][0], texts[i][1], &t);
        row("strptime(%s, %s): %ld; %d-%d-%d %d:%d:%d", texts[i][0], texts[i][1], end ? (long)(end - texts[i][0]) : -1, end ? t.tm_year : 0, end ? t.tm_mon : 0, end ? t.tm_mday : 0, end ? t.tm_hour : 0, end ? t.tm_min : 0, end ? t.tm_sec : 0);
    }
    for (int dst = -1; dst < 2; dst++) {
        t = (struct tm){.tm_year = 124, .tm_mday = 1, .tm_isdst = dst};
        size_t n = strftime(b, sizeof b, "[%Z]", &t);
        row("no zone, dst %d: %zu %s", dst, n, b);
    }
    memset(&t, 0, sizeof t);
    strptime("1720000000", "%s", &t);
    row("zone of strptime(%%s): %s %d", t.tm_zone ? t.tm_zone : "-", t.tm_isdst);
    row("difftime: %g", difftime(5, 3));
    setenv("TZ", "UTC0", 1);
    tzset();
}

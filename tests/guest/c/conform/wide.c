/* <wchar.h>, <wctype.h>, <uchar.h>, and the multibyte functions of <stdlib.h>. */
#include "conform.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <uchar.h>
#include <wchar.h>
#include <wctype.h>

static int sign(int x) { return (x > 0) - (x < 0); }
static long at(const wchar_t *base, const wchar_t *found) { return found ? found - base : -1; }

static const char *wide(const wchar_t *text) {
    static char places[4][256];
    static int next;
    char *out = places[next++ % 4], *p = out;
    if (!text)
        return "(null)";
    for (; *text && p < out + 240; text++)
        p += sprintf(p, *text < 127 && *text > 31 ? "%c" : "<%x>", (unsigned)*text);
    *p = 0;
    return out;
}

static void strings(void) {
    static const wchar_t *const samples[] = {L"", L"abc", L"ABC", L"abcabc", L"a,b", L"\u00e9t\u00e9", L"\U0001d11e"};
    for (size_t i = 0; i < COUNT(samples); i++) {
        const wchar_t *s = samples[i];
        row("%s: %zu %zu %ld %ld", wide(s), wcslen(s), wcsnlen(s, 2), at(s, wcschr(s, L'b')), at(s, wcsrchr(s, L'b')));
        for (size_t j = 0; j < COUNT(samples); j++) {
            const wchar_t *t = samples[j];
            row(" %s: %d %d %d %d %d %ld %zu %zu %ld", wide(t), sign(wcscmp(s, t)), sign(wcsncmp(s, t, 2)), sign(wcscasecmp(s, t)), sign(wcsncasecmp(s, t, 2)), sign(wcscoll(s, t)),
                at(s, wcsstr(s, t)), wcsspn(s, t), wcscspn(s, t), at(s, wcspbrk(s, t)));
        }
    }
    wchar_t b[32];
    row("wcscpy: %s", wide(wcscpy(b, L"one")));
    row("wcpcpy %ld: %s", at(b, wcpcpy(b, L"two")), wide(b));
    row("wcscat: %s", wide(wcscat(b, L"three")));
    row("wcsncat: %s", wide(wcsncat(b, L"four", 2)));
    row("wcsncpy: %s", wide(wcsncpy(b, L"xy", 4)));
    row("wcpncpy %ld", at(b, wcpncpy(b, L"xy", 4)));
    wmemset(b, L'q', 5), b[5] = 0;
    row("wmemset: %s", wide(b));
    wmemcpy(b, L"ab", 2);
    row("wmemcpy: %s", wide(b));
    wmemmove(b + 1, b, 3);
    row("wmemmove: %s, %ld, %d", wide(b), at(b, wmemchr(b, L'b', 5)), sign(wmemcmp(b, L"aab", 3)));
    row("wmempcpy %ld", at(b, wmempcpy(b, L"zz", 2)));
    wchar_t *copy = wcsdup(L"dup");
    row("wcsdup: %s", wide(copy)), free(copy);
    wchar_t text[] = L"a,b;;c", *rest;
    for (wchar_t *word = wcstok(text, L",;", &rest); word; word = wcstok(NULL, L",;", &rest))
        row("wcstok: %s", wide(word));
    wchar_t x[16], y[16];
    wcsxfrm(x, L"sort", 16), wcsxfrm(y, L"sorz", 16);
    row("wcsxfrm %d", sign(wcscmp(x, y)));
    locale_t c = newlocale(LC_ALL_MASK, "C", 0);
    row("in a locale: %d %d %d %d", sign(wcscasecmp_l(L"aB", L"Ab", c)), sign(wcsncasecmp_l(L"aB", L"AB", 2, c)), sign(wcscoll_l(L"a", L"b", c)), wcsxfrm_l(x, L"ab", 16, c) >= 2);
    row("wcswcs: %ld", at(b, wcswcs(b, L"zz")));
    freelocale(c);
}

static void numbers(void) {
    static const wchar_t *const texts[] = {L"42", L" -17x", L"0x1f", L"077", L"", L"zz", L"99999999999999999999", L"-99999999999999999999"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        wchar_t *end;
        errno = 0;
        long l = wcstol(texts[i], &end, 0);
        row("wcstol(%s) = %ld, %ld, %s", wide(texts[i]), l, at(texts[i], end), error(errno == EINVAL ? 0 : errno));
        errno = 0;
        row("wcstoul = %lu, wcstoll = %lld, wcstoull = %llu, base 36 %ld", wcstoul(texts[i], &end, 10), wcstoll(texts[i], &end, 16), wcstoull(texts[i], &end, 8), wcstol(texts[i], &end, 36));
    }
    static const wchar_t *const floats[] = {L"1.5e3x", L"-inf", L"nan", L"0x1.8p1", L".5", L"e5"};
    for (size_t i = 0; i < COUNT(floats); i++) {
        wchar_t *end;
        double d = wcstod(floats[i], &end);
        row("wcstod(%s) = %s, %ld; %s, %s", wide(floats[i]), number(d, 17), at(floats[i], end), number(wcstof(floats[i], NULL), 9), long_number(wcstold(floats[i], NULL), 20));
    }
}

static void conversion(const char *name) {
    row("locale %s: %d, MB_CUR_MAX %d", name, setlocale(LC_ALL, name) != NULL, MB_CUR_MAX > 1);
    static const char *const texts[] = {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9d\x84\x9e", "\xc3", "\xff", "\xc0\x80", "\xed\xa0\x80"};
    int utf8 = MB_CUR_MAX > 1;
    for (size_t i = 0; i < COUNT(texts); i++) {
        const char *s = texts[i];
        if (!utf8 && (s[0] & 0x80))
            continue;
        wchar_t c = 0x1234;
        mbstate_t state;
        memset(&state, 0, sizeof state);
        errno = 0;
        long n = (long)mbrtowc(&c, s, strlen(s) + 1, &state);
        row("mbrtowc(%s) = %ld, %x, %s", shown(s), n, n >= 0 ? (unsigned)c : 0, error(errno));
        row("mblen = %d, mbrlen = %ld, mbtowc = %d", mblen(s, strlen(s) + !*s), (memset(&state, 0, sizeof state), (long)mbrlen(s, strlen(s), &state)), mbtowc(&c, s, strlen(s) + !*s));
        row("mbsinit = %d", !!mbsinit(&state));
        if (utf8) {
            char32_t c32 = 0;
            memset(&state, 0, sizeof state);
            row("mbrtoc32 = %ld", (long)mbrtoc32(&c32, s, strlen(s) + 1, &state));
            char16_t high = 0, low = 0;
            memset(&state, 0, sizeof state);
            long first = (long)mbrtoc16(&high, s, strlen(s) + 1, &state);
            long second = first > 0 && high >= 0xd800 && high < 0xdc00 ? (long)mbrtoc16(&low, s + first, 0, &state) : 0;
            row("mbrtoc16 = %ld %x, %ld %x", first, first >= 0 ? high : 0, second, low);
        }
    }
    static const wchar_t codes[] = {0, L'a', 0x7f, 0xe9, 0x20ac, 0x1d11e, 0xd800, 0x10ffff};
    for (size_t i = 0; i < COUNT(codes); i++) {
        if (!utf8 && codes[i] > 0x7f)
            continue;
        char b[16] = "";
        mbstate_t state;
        memset(&state, 0, sizeof state);
        errno = 0;
        long n = (long)wcrtomb(b, codes[i], &state);
        row("wcrtomb(%x) = %ld, %s, %s", (unsigned)codes[i], n, n > 0 ? shown_bytes(b, n) : "", error(errno));
        row("wctomb = %d, wctob = %d", wctomb(b, codes[i]), wctob(codes[i]));
        if (utf8) {
            memset(&state, 0, sizeof state);
            n = (long)c32rtomb(b, codes[i], &state);
            row("c32rtomb = %ld", n);
        }
    }
    row("btowc: %d %d %d", btowc('a'), btowc(EOF), utf8 ? btowc(0xe9) : 0);
    if (!utf8)
        return;
    char b[64];
    mbstate_t state;
    memset(&state, 0, sizeof state);
    row("c16rtomb: %ld", (long)c16rtomb(b, 0xd834, &state));
    long n = (long)c16rtomb(b, 0xdd1e, &state);
    row("c16rtomb: %ld %s", n, shown_bytes(b, n > 0 ? n : 0));
    wchar_t w[32];
    const char *from = "a\xc3\xa9z";
    row("mbstowcs = %ld, %s", (long)mbstowcs(w, from, 32), wide(w));
    memset(&state, 0, sizeof state);
    row("mbsrtowcs = %ld, %d", (long)mbsrtowcs(w, &from, 32, &state), from == NULL);
    from = "a\xc3\xa9z";
    row("mbsnrtowcs = %ld, %s", (long)mbsnrtowcs(w, &from, 3, 32, &state), shown(from));
    from = "a\xff";
    errno = 0;
    row("mbsrtowcs bad = %ld, %s, %s", (long)mbsrtowcs(w, &from, 32, &state), error(errno), shown(from));
    const wchar_t *back = L"\u00e9x\u20ac";
    row("wcstombs = %ld, %s", (long)wcstombs(b, back, sizeof b), shown(b));
    memset(&state, 0, sizeof state);
    row("wcsrtombs = %ld, %d", (long)wcsrtombs(b, &back, 4, &state), back != NULL);
    back = L"\u00e9x\u20ac";
    row("wcsnrtombs = %ld", (long)wcsnrtombs(b, &back, 2, sizeof b, &state));
    row("width: %d %d %d %d %d", wcwidth(L'a'), wcwidth(0x4e2d), wcwidth(0x300), wcwidth(7), wcswidth(L"a\u4e2d", 2));
}

static void classes(void) {
    locale_t c = newlocale(LC_ALL_MASK, "C", 0);
    static const wint_t codes[] = {L'a', L'Z', L'5', L' ', L'\t', L'!', 0x7f, 0xe9, 0xc9, 0x3b1, 0x391, 0x416, 0x4e2d, 0x2028, WEOF};
    for (size_t i = 0; i < COUNT(codes); i++) {
        wint_t w = codes[i];
        int all = !!iswalnum(w) | !!iswalpha(w) << 1 | !!iswblank(w) << 2 | !!iswcntrl(w) << 3 | !!iswdigit(w) << 4 | !!iswgraph(w) << 5 | !!iswlower(w) << 6 |
                  !!iswprint(w) << 7 | !!iswpunct(w) << 8 | !!iswspace(w) << 9 | !!iswupper(w) << 10 | !!iswxdigit(w) << 11;
        row("%x: %x, %x %x", w, all, towlower(w), towupper(w));
        if (w < 0x80) {
            int local = !!iswalnum_l(w, c) | !!iswalpha_l(w, c) << 1 | !!iswblank_l(w, c) << 2 | !!iswcntrl_l(w, c) << 3 | !!iswdigit_l(w, c) << 4 | !!iswgraph_l(w, c) << 5 |
                        !!iswlower_l(w, c) << 6 | !!iswprint_l(w, c) << 7 | !!iswpunct_l(w, c) << 8 | !!iswspace_l(w, c) << 9 | !!iswupper_l(w, c) << 10 | !!iswxdigit_l(w, c) << 11;
            row(" %d, %x %x", all == local, towlower_l(w, c), towupper_l(w, c));
        }
    }
    static const char *const names[] = {"alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"};
    for (size_t i = 0; i < COUNT(names); i++)
        row("%s: %d %d %d", names[i], !!iswctype(L'x', wctype(names[i])), !!iswctype(L' ', wctype(names[i])), !!iswctype_l(L'5', wctype_l(names[i], c), c));
    row("wctype(bad) = %d", wctype("nothing") == 0);
    row("trans: %c %c %d", towctrans(L'a', wctrans("toupper")), towctrans_l(L'Q', wctrans_l("tolower", c), c), wctrans("nothing") == 0);
    freelocale(c);
}

static void formats(void) {
    wchar_t b[64];
    row("swprintf = %d, %s", swprintf(b, 64, L"%d %ls %s %5.1f|%-4lc|", -3, L"w\u00e9", "n\xc3\xa9", 2.25, L'x'), wide(b));
    row("swprintf short = %d", swprintf(b, 3, L"too long") < 0);
    int n = 0;
    wchar_t word[16];
    char narrow[16];
    row("swscanf = %d: %d %s %s", swscanf(L"12 caf\u00e9 abc", L"%d %ls %s", &n, word, narrow), n, wide(word), shown(narrow));
    int none = swscanf(L"\u00f6", L"%[\u00e4]", narrow), set = swscanf(L"\u00e4\u00f6x", L"%l[\u00e4\u00f6]%n", word, &n);
    row("swscanf sets: %d, %d %s %d", none, set, wide(word), n);
    memset(narrow, 0, sizeof narrow);
    row("swscanf widths: %d %s %d", swscanf(L"\u00f6\u00e4\u00fc\u20ac", L"%3c%n", narrow, &n), shown(narrow), n);
    row("swscanf widths: %d %s %s", swscanf(L"\u00f6\u00e4\u00fc\u20ac", L"%2s%ls", narrow, word), shown(narrow), wide(word));
    row("swscanf literal: %d %d", swscanf(L"\u00f65", L"\u00f6%d", &n), n);
}

void section_wide(void) {
    conversion("C");
    conversion("C.UTF-8");
    strings();
    numbers();
    classes();
    formats();
    setlocale(LC_ALL, "C");
}

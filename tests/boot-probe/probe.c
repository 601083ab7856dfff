/* A kernel that checks how it was booted: everything `boot_info` promises a kernel that a loader
 * starts. It speaks the test runner's protocol on the first serial port. The record is declared here
 * once more, in C, so that its layout is held by two hands.
 *
 * The command line it expects is "probe=1 a b"; the initfs, the bytes 'A' to 'Z' over and over. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct region {
    uint64_t base, len;
};

struct boot_info {
    uint64_t magic;
    uint32_t version, memory_len;
    struct region kernel, initfs, cmdline;
    uint64_t rsdp, reserved[4];
    struct {
        struct region region;
        uint32_t kind, reserved;
    } memory[256];
};

enum { RESERVED, USABLE, ACPI_RECLAIMABLE, ACPI_NVS };

/* From the linker script: the whole image, and its segments, between which nothing is mapped. */
extern const char image_start[], text_end[], rodata_start[], rodata_end[], data_start[], image_end[];

/* Across a page, so that it takes an own segment with room that the file does not fill. */
static volatile uint64_t zeros[1024];
static volatile uint64_t filled = 0x1122334455667788;

static void out(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void print(const char *text) {
    for (; *text; text++) {
        while (!(in(0x3fd) & 0x20)) {
        }
        out(0x3f8, (uint8_t)*text);
    }
}

static unsigned failures;

static void check(const char *name, bool good) {
    if (!good)
        failures++;
    print(good ? "@test ok " : "@test FAIL ");
    print(name);
    print(good ? "\n" : ": not as promised\n");
}

static bool same(const char *a, const char *b, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static const char *physical(uint64_t at) {
    return (const char *)at;
}

static bool inside_usable(const struct boot_info *info, struct region wanted) {
    for (uint32_t i = 0; i < info->memory_len; i++) {
        struct region r = info->memory[i].region;
        if (info->memory[i].kind == USABLE && r.base <= wanted.base &&
            wanted.base + wanted.len <= r.base + r.len)
            return true;
    }
    return false;
}

static bool map_is_ordered(const struct boot_info *info) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < info->memory_len; i++) {
        struct region r = info->memory[i].region;
        if (r.base < end || r.len == 0 || (r.base | r.len) % 4096 || info->memory[i].kind > ACPI_NVS)
            return false;
        end = r.base + r.len;
    }
    return info->memory_len > 0 && info->memory_len <= 256;
}

static uint64_t usable(const struct boot_info *info) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < info->memory_len; i++)
        if (info->memory[i].kind == USABLE)
            sum += info->memory[i].region.len;
    return sum;
}

/* Writes the first word of every usable page that the loader keeps nothing in: fails by a fault, if
 * part of RAM is not mapped, or by losing what later checks look at. */
static void scribble(const struct boot_info *info) {
    const struct region kept[] = {info->kernel, info->initfs, info->cmdline,
                                  {(uint64_t)info, sizeof *info}};
    for (uint32_t i = 0; i < info->memory_len; i++) {
        struct region r = info->memory[i].region;
        if (info->memory[i].kind != USABLE)
            continue;
        for (uint64_t page = r.base ? r.base : 4096; page < r.base + r.len; page += 4096) {
            bool keep = false;
            for (size_t k = 0; k < sizeof kept / sizeof *kept; k++)
                keep |= page + 4096 > kept[k].base && page < kept[k].base + kept[k].len;
            if (!keep)
                *(volatile uint64_t *)page = ~page;
        }
    }
}

/* Whether the physical image holds what is seen from `start` to `end` at the link addresses. */
static bool in_image(const struct boot_info *info, const char *start, const char *end) {
    return same(physical(info->kernel.base) + (start - image_start), start, (size_t)(end - start));
}

static bool initfs_is_whole(const struct boot_info *info) {
    for (uint64_t i = 0; i < info->initfs.len; i++)
        if (physical(info->initfs.base)[i] != (char)('A' + i % 26))
            return false;
    return info->initfs.len == 3 * 1000 * 1000;
}

void probe(const struct boot_info *info, uint64_t stack, uint64_t flags) {
    static const char line[] = "probe=1 a b";
    const size_t image = (size_t)(image_end - image_start);

    print("\n@test plan 16\n");
    check("magic", info->magic == 0x0045544952505543);
    check("version", info->version == 1);
    check("reserved-words", !(info->reserved[0] | info->reserved[1] | info->reserved[2] | info->reserved[3]));
    check("interrupts-off", !(flags & 0x200));
    check("stack-aligned", stack % 16 == 8);
    check("data", filled == 0x1122334455667788);
    bool zero = true;
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++)
        zero &= zeros[i] == 0;
    check("bss-zero", zero);
    check("kernel-region", info->kernel.base % 4096 == 0 && info->kernel.len == ((image + 4095) & ~4095ull));
    check("kernel-contiguous", in_image(info, image_start, text_end) && in_image(info, rodata_start, rodata_end) &&
                                   in_image(info, data_start, image_end));
    check("cmdline", info->cmdline.len == sizeof line - 1 &&
                         same(physical(info->cmdline.base), line, sizeof line - 1));
    check("rsdp", info->rsdp && same(physical(info->rsdp), "RSD PTR ", 8));
    check("map-ordered", map_is_ordered(info));
    check("map-usable", usable(info) > 200 << 20 && usable(info) < 256 << 20);
    check("map-holds-kernel", inside_usable(info, info->kernel) && inside_usable(info, info->initfs) &&
                                  !inside_usable(info, (struct region){stack, 8}));
    scribble(info);
    check("all-ram-mapped", true);
    check("initfs", initfs_is_whole(info));
    print(failures ? "@done 1\n" : "@done 0\n");
    out(0xf4, failures ? 1 : 0);
    for (;;)
        __asm__ volatile("hlt");
}

__asm__(".globl start\n"
        "start: mov %rsp, %rsi\n"
        "pushfq\n"
        "pop %rdx\n"
        "and $-16, %rsp\n"
        "call probe\n");

/* A shared library without its C library: what an Android, musl or glibc loader would do, and no more. */
#include "load.h"
#include "system.h"

#if UINTPTR_MAX == UINT64_MAX
typedef struct {
    unsigned char ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
} Header;
typedef struct {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
} Segment;
typedef struct {
    uint32_t name;
    unsigned char info, other;
    uint16_t section;
    uint64_t value, size;
} Symbol;
#define RELOCATION_SYMBOL(info) ((info) >> 32)
#define RELOCATION_TYPE(info) ((info)&0xffffffff)
#else
typedef struct {
    unsigned char ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint32_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
} Header;
typedef struct {
    uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
} Segment;
typedef struct {
    uint32_t name, value, size;
    unsigned char info, other;
    uint16_t section;
} Symbol;
#define RELOCATION_SYMBOL(info) ((info) >> 8)
#define RELOCATION_TYPE(info) ((info)&0xff)
#endif

typedef struct {
    intptr_t tag;
    uintptr_t value;
} Dynamic;

enum { PT_LOAD = 1, PT_DYNAMIC = 2, PT_TLS = 7 };
enum { PF_X = 1, PF_W = 2, PF_R = 4 };
enum {
    DT_NULL = 0,
    DT_PLTRELSZ = 2,
    DT_HASH = 4,
    DT_STRTAB = 5,
    DT_SYMTAB = 6,
    DT_RELA = 7,
    DT_RELASZ = 8,
    DT_REL = 17,
    DT_RELSZ = 18,
    DT_PLTREL = 20,
    DT_JMPREL = 23,
    DT_INIT_ARRAY = 25,
    DT_FINI_ARRAY = 26,
    DT_INIT_ARRAYSZ = 27,
    DT_FINI_ARRAYSZ = 28,
    DT_RELRSZ = 35,
    DT_RELR = 36,
};
#define STB_WEAK 2
#define SHN_UNDEF 0

/* Relocation types: none, the base plus an addend, a symbol's address, and a symbol's address plus an addend. */
#if defined(__x86_64__)
enum { MACHINE = 62, R_NONE = 0, R_RELATIVE = 8, R_GLOB_DAT = 6, R_JUMP_SLOT = 7, R_ABSOLUTE = 1 };
#elif defined(__i386__)
enum { MACHINE = 3, R_NONE = 0, R_RELATIVE = 8, R_GLOB_DAT = 6, R_JUMP_SLOT = 7, R_ABSOLUTE = 1 };
#elif defined(__aarch64__)
enum { MACHINE = 183, R_NONE = 0, R_RELATIVE = 1027, R_GLOB_DAT = 1025, R_JUMP_SLOT = 1026, R_ABSOLUTE = 257 };
#elif defined(__arm__)
enum { MACHINE = 40, R_NONE = 0, R_RELATIVE = 23, R_GLOB_DAT = 21, R_JUMP_SLOT = 22, R_ABSOLUTE = 2 };
#endif

static uintptr_t entry(const Library *library, intptr_t tag)
{
    for (const Dynamic *d = (const Dynamic *)library->description; d->tag != DT_NULL; d++)
        if (d->tag == tag)
            return d->value;
    return 0;
}

static void *table(const Library *library, intptr_t tag)
{
    uintptr_t offset = entry(library, tag);
    return offset ? library->base + offset : NULL;
}

static const char *symbol_name(const Library *library, const Symbol *symbol)
{
    return (const char *)table(library, DT_STRTAB) + symbol->name;
}

static uintptr_t address_of(const Library *library, const Symbol *symbol)
{
    if (symbol->section != SHN_UNDEF)
        return (uintptr_t)library->base + symbol->value;
    const char *name = symbol_name(library, symbol);
    void *function = linux_function(name);
    if (!function && symbol->info >> 4 != STB_WEAK)
        give_up("the library needs a function that the runner does not offer: ", name);
    return (uintptr_t)function;
}

static void relocate_one(const Library *library, uintptr_t offset, uintptr_t info, const uintptr_t *addend)
{
    uintptr_t *place = (uintptr_t *)(library->base + offset);
    uintptr_t more = addend ? *addend : *place;
    const Symbol *symbol = (const Symbol *)table(library, DT_SYMTAB) + RELOCATION_SYMBOL(info);
    switch (RELOCATION_TYPE(info)) {
    case R_NONE:
        break;
    case R_RELATIVE:
        *place = (uintptr_t)library->base + more;
        break;
    case R_GLOB_DAT:
    case R_JUMP_SLOT:
        *place = address_of(library, symbol) + (addend ? more : 0);
        break;
    case R_ABSOLUTE:
        *place = address_of(library, symbol) + more;
        break;
    default:
        give_up("the library has a relocation that the runner does not know", "");
    }
}

static void relocate_list(const Library *library, const uintptr_t *list, size_t bytes, int with_addend)
{
    size_t words = with_addend ? 3 : 2;
    for (const uintptr_t *r = list; (size_t)(r - list) < bytes / sizeof *r; r += words)
        relocate_one(library, r[0], r[1], with_addend ? &r[2] : NULL);
}

/* The packed form of relative relocations: an even word is a place, an odd one marks places in the words after it. */
static void relocate_packed(const Library *library)
{
    const uintptr_t *list = table(library, DT_RELR);
    size_t words = entry(library, DT_RELRSZ) / sizeof *list;
    uintptr_t *place = NULL;
    for (size_t i = 0; i < words; i++) {
        if (!(list[i] & 1)) {
            place = (uintptr_t *)(library->base + list[i]);
            *place++ += (uintptr_t)library->base;
            continue;
        }
        for (size_t bit = 1; bit < 8 * sizeof *list; bit++)
            if (list[i] >> bit & 1)
                place[bit - 1] += (uintptr_t)library->base;
        place += 8 * sizeof *list - 1;
    }
}

static void relocate(const Library *library)
{
    relocate_packed(library);
    relocate_list(library, table(library, DT_RELA), entry(library, DT_RELASZ), 1);
    relocate_list(library, table(library, DT_REL), entry(library, DT_RELSZ), 0);
    relocate_list(library, table(library, DT_JMPREL), entry(library, DT_PLTRELSZ),
                  entry(library, DT_PLTREL) == DT_RELA);
}

static void copy_segments(Library *library, const unsigned char *file, size_t bytes, const Segment *segments,
                          size_t count)
{
    size_t span = 0;
    for (size_t i = 0; i < count; i++)
        if (segments[i].type == PT_LOAD && segments[i].vaddr + segments[i].memsz > span)
            span = segments[i].vaddr + segments[i].memsz;
    unsigned char *memory = map_memory(span + PAGE); /* start at a multiple of PAGE, as the segments assume */
    library->base = memory + (-(uintptr_t)memory & (PAGE - 1));
    for (size_t i = 0; i < count; i++) {
        const Segment *segment = &segments[i];
        if (segment->type == PT_TLS)
            give_up("the library has thread-local storage", "");
        if (segment->type == PT_DYNAMIC)
            library->description = library->base + segment->vaddr;
        if (segment->type != PT_LOAD)
            continue;
        if (segment->offset > bytes || segment->filesz > bytes - segment->offset)
            give_up("the library is cut off", "");
        __builtin_memcpy(library->base + segment->vaddr, file + segment->offset, segment->filesz);
    }
}

/* Code may be executed, constants only read: a library that writes where it must not is to fail here. */
static void protect_segments(const Library *library, const Segment *segments, size_t count)
{
    const uintptr_t page = 4096;
    for (size_t i = 0; i < count; i++) {
        if (segments[i].type != PT_LOAD)
            continue;
        uintptr_t first = segments[i].vaddr & ~(page - 1);
        uintptr_t end = (segments[i].vaddr + segments[i].memsz + page - 1) & ~(page - 1);
        int access = (segments[i].flags & PF_R ? ACCESS_READ : 0) | (segments[i].flags & PF_W ? ACCESS_WRITE : 0) |
                     (segments[i].flags & PF_X ? ACCESS_EXECUTE : 0);
        protect_memory(library->base + first, end - first, access);
    }
}

static void run_all(const Library *library, intptr_t list_tag, intptr_t size_tag)
{
    void (**functions)(void) = table(library, list_tag);
    for (size_t i = 0; i < entry(library, size_tag) / sizeof *functions; i++)
        functions[i]();
}

Library load_elf(const unsigned char *file, size_t bytes)
{
    const Header *header = (const Header *)file;
    if (bytes < sizeof *header || header->machine != MACHINE || header->ident[4] != sizeof(void *) / 4)
        give_up("the library is for another architecture than the runner", "");
    if (header->phoff > bytes || header->phnum > (bytes - header->phoff) / sizeof(Segment))
        give_up("the library is cut off", "");
    const Segment *segments = (const Segment *)(file + header->phoff);
    Library library = {0};
    copy_segments(&library, file, bytes, segments, header->phnum);
    if (!library.description)
        give_up("the library has no dynamic section", "");
    relocate(&library);
    protect_segments(&library, segments, header->phnum);
    run_all(&library, DT_INIT_ARRAY, DT_INIT_ARRAYSZ);
    return library;
}

void *find_in_elf(const Library *library, const char *name)
{
    const uint32_t *hash = table(library, DT_HASH);
    const Symbol *symbols = table(library, DT_SYMTAB);
    if (!hash)
        give_up("the library has no symbol hash table", "");
    for (uint32_t i = 1; i < hash[1]; i++)
        if (symbols[i].section != SHN_UNDEF && same_text(symbol_name(library, &symbols[i]), name))
            return library->base + symbols[i].value;
    return NULL;
}

void close_elf(const Library *library)
{
    run_all(library, DT_FINI_ARRAY, DT_FINI_ARRAYSZ);
}

/* A DLL without Windows: what its loader would do for a library that imports kernel32 alone, and no more. */
#include "load.h"
#include "system.h"

#if defined(__x86_64__) || defined(__i386__)

typedef struct {
    uint16_t machine, sections;
    uint32_t time, symbols, symbol_count;
    uint16_t optional_size, flags;
} FileHeader;

typedef struct {
    uint32_t rva, size;
} Directory;

typedef struct {
    unsigned char before_image_base[sizeof(void *) == 8 ? 24 : 28];
    uintptr_t image_base;
    uint32_t section_alignment, file_alignment;
    uint32_t versions[4];
    uint32_t image_size, headers_size, checksum;
    uint16_t subsystem, dll_flags;
    uintptr_t stack_and_heap[4];
    uint32_t loader_flags, directory_count;
    Directory directories[16];
} OptionalHeader;

typedef struct {
    char name[8];
    uint32_t memory_size, rva, file_size, file_offset;
    uint32_t unused[3];
    uint32_t flags;
} Section;

typedef struct {
    uint32_t names, time, forwarder, dll_name, addresses;
} Import;

typedef struct {
    uint32_t flags, time, versions, dll_name, base, function_count, name_count, functions, names, ordinals;
} Export;

enum { EXPORTS = 0, IMPORTS = 1, RELOCATIONS = 5, THREAD_STORAGE = 9 };
enum { CODE_CAN_RUN = 0x20000000, DATA_CAN_CHANGE = 0x80000000u };
enum { RELOCATION_PADDING = 0, RELOCATION_32 = 3, RELOCATION_64 = 10 };

#if defined(__x86_64__)
enum { MACHINE = 0x8664, MAGIC = 0x20b, RELOCATION = RELOCATION_64 };
#else
enum { MACHINE = 0x14c, MAGIC = 0x10b, RELOCATION = RELOCATION_32 };
#endif

static void copy_sections(const Library *library, const unsigned char *file, size_t bytes, const Section *sections,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t used = sections[i].file_size;
        if (sections[i].memory_size && used > sections[i].memory_size)
            used = sections[i].memory_size;
        if (sections[i].file_offset > bytes || used > bytes - sections[i].file_offset)
            give_up("the library is cut off", "");
        __builtin_memcpy(library->base + sections[i].rva, file + sections[i].file_offset, used);
    }
}

static void relocate(const Library *library, Directory directory, uintptr_t distance)
{
    const unsigned char *at = library->base + directory.rva;
    const unsigned char *end = at + directory.size;
    while (at < end) {
        const uint32_t *block = (const uint32_t *)(const void *)at;
        const uint16_t *entries = (const uint16_t *)(block + 2);
        for (size_t i = 0; i < (block[1] - 8) / 2; i++) {
            uintptr_t *place = (uintptr_t *)(void *)(library->base + block[0] + (entries[i] & 0xfff));
            if (entries[i] >> 12 == RELOCATION)
                *place += distance;
            else if (entries[i] >> 12 != RELOCATION_PADDING)
                give_up("the library has a relocation that the runner does not know", "");
        }
        at += block[1];
    }
}

static void bind_imports(const Library *library, Directory directory)
{
    if (!directory.rva)
        return;
    const Import *import = (const Import *)(void *)(library->base + directory.rva);
    for (; import->dll_name; import++) {
        const uintptr_t *names = (const uintptr_t *)(void *)(library->base + import->names);
        uintptr_t *addresses = (uintptr_t *)(void *)(library->base + import->addresses);
        for (; *names; names++, addresses++) {
            const char *name = (const char *)library->base + *names + 2; /* behind the hint */
            *addresses = (uintptr_t)windows_function(name);
            if (!*addresses)
                give_up("the library needs a function that the runner does not offer: ", name);
        }
    }
}

static void protect_sections(const Library *library, const Section *sections, size_t count)
{
    const size_t page = 4096;
    for (size_t i = 0; i < count; i++) {
        int access = ACCESS_READ | (sections[i].flags & CODE_CAN_RUN ? ACCESS_EXECUTE : 0) |
                     (sections[i].flags & DATA_CAN_CHANGE ? ACCESS_WRITE : 0);
        size_t size = sections[i].memory_size ? sections[i].memory_size : sections[i].file_size;
        protect_memory(library->base + sections[i].rva, (size + page - 1) & ~(page - 1), access);
    }
}

Library load_pe(const unsigned char *file, size_t bytes)
{
    const size_t pointer_to_header = 0x3c;
    uint32_t offset = 0;
    if (bytes > pointer_to_header + sizeof offset)
        __builtin_memcpy(&offset, file + pointer_to_header, sizeof offset);
    const FileHeader *header = (const FileHeader *)(const void *)(file + offset + 4);
    const OptionalHeader *optional = (const OptionalHeader *)(const void *)(header + 1);
    if (!offset || offset > bytes || bytes - offset < 4 + sizeof *header + sizeof *optional)
        give_up("the library is cut off", "");
    if (header->machine != MACHINE || *(const uint16_t *)(const void *)optional != MAGIC)
        give_up("the library is for another architecture than the runner", "");
    if (optional->directories[THREAD_STORAGE].size)
        give_up("the library has thread-local storage", "");
    const Section *sections = (const Section *)(const void *)((const char *)optional + header->optional_size);
    unsigned char *base = map_memory(optional->image_size);
    Library library = {.base = base, .description = base + optional->directories[EXPORTS].rva, .windows = 1};
    copy_sections(&library, file, bytes, sections, header->sections);
    relocate(&library, optional->directories[RELOCATIONS], (uintptr_t)base - optional->image_base);
    bind_imports(&library, optional->directories[IMPORTS]);
    protect_sections(&library, sections, header->sections);
    return library;
}

void *find_in_pe(const Library *library, const char *name)
{
    const Export *export = (const Export *)(const void *)library->description;
    const uint32_t *names = (const uint32_t *)(const void *)(library->base + export->names);
    const uint16_t *ordinals = (const uint16_t *)(const void *)(library->base + export->ordinals);
    const uint32_t *functions = (const uint32_t *)(const void *)(library->base + export->functions);
    for (uint32_t i = 0; i < export->name_count; i++)
        if (same_text((const char *)library->base + names[i], name))
            return library->base + functions[ordinals[i]];
    return NULL;
}

#endif

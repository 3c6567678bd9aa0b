#include "system.h"

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, OPEN = 2, LSEEK = 8, MPROTECT = 10, MUNMAP = 11, EXIT_GROUP = 231, MMAP = 9 };
#elif defined(__i386__)
enum { READ = 3, WRITE = 4, OPEN = 5, LSEEK = 19, MPROTECT = 125, MUNMAP = 91, EXIT_GROUP = 252, MMAP = 90 };
#elif defined(__aarch64__)
enum { READ = 63, WRITE = 64, OPENAT = 56, LSEEK = 62, MPROTECT = 226, MUNMAP = 215, EXIT_GROUP = 94, MMAP = 222 };
#elif defined(__arm__)
enum { READ = 3, WRITE = 4, OPEN = 5, LSEEK = 19, MPROTECT = 125, MUNMAP = 91, EXIT_GROUP = 248, MMAP = 192 };
#endif

#define AT_FDCWD (-100)
#define O_RDONLY 0
#define O_WRONLY 1
#define O_CREAT 0100
#define O_TRUNC 01000
#define SEEK_SET 0
#define SEEK_END 2
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 32
#define STANDARD_ERROR 2

char **environment;

#if defined(__x86_64__)
static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__i386__)
/* Three arguments; the old mmap takes its six by address. */
static long call(long number, long a, long b, long c, long d, long e, long f)
{
    long arguments[] = {a, b, c, d, e, f};
    long first = number == MMAP ? (long)arguments : a;
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(b), "d"(c) : "memory");
    return result;
}
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
#elif defined(__arm__)
static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r7 __asm__("r7") = number;
    register long r0 __asm__("r0") = a;
    register long r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;
    register long r3 __asm__("r3") = d;
    register long r4 __asm__("r4") = e;
    register long r5 __asm__("r5") = f;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
    return r0;
}
#endif

static int failed(long result)
{
    return (unsigned long)result > -4096UL;
}

static size_t length_of(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

void end_process(int status)
{
    for (;;)
        call(EXIT_GROUP, status, 0, 0, 0, 0, 0);
}

void give_up(const char *text, const char *name)
{
    call(WRITE, STANDARD_ERROR, (long)text, (long)length_of(text), 0, 0, 0);
    call(WRITE, STANDARD_ERROR, (long)name, (long)length_of(name), 0, 0, 0);
    call(WRITE, STANDARD_ERROR, (long)"\n", 1, 0, 0, 0);
    end_process(2);
}

void *map_memory(size_t bytes)
{
    long access = ACCESS_READ | ACCESS_WRITE;
    long result = call(MMAP, 0, (long)bytes, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (failed(result))
        give_up("out of memory", "");
    return (void *)result;
}

void protect_memory(void *memory, size_t bytes, int access)
{
    if (failed(call(MPROTECT, (long)memory, (long)bytes, access, 0, 0, 0)))
        give_up("memory protection refused", "");
}

static size_t whole_pages(size_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

void *map_before_guard(size_t bytes)
{
    size_t whole = whole_pages(bytes);
    char *memory = map_memory(whole + PAGE);
    protect_memory(memory + whole, PAGE, ACCESS_NONE);
    return memory + whole - bytes;
}

void unmap_before_guard(void *block, size_t bytes)
{
    size_t whole = whole_pages(bytes);
    call(MUNMAP, (long)((char *)block + bytes - whole), (long)(whole + PAGE), 0, 0, 0, 0);
}

static int open_file(const char *path, int flags, int mode)
{
#if defined(__aarch64__)
    long file = call(OPENAT, AT_FDCWD, (long)path, flags, mode, 0, 0);
#else
    long file = call(OPEN, (long)path, flags, mode, 0, 0, 0);
#endif
    if (failed(file))
        give_up("cannot open ", path);
    return (int)file;
}

void *read_file(const char *path, size_t *bytes)
{
    int file = open_file(path, O_RDONLY, 0);
    long size = call(LSEEK, file, 0, SEEK_END, 0, 0, 0);
    if (failed(size) || failed(call(LSEEK, file, 0, SEEK_SET, 0, 0, 0)))
        give_up("cannot size ", path);
    char *data = map_memory((size_t)size + 1);
    for (long done = 0; done < size;) {
        long got = call(READ, file, (long)(data + done), size - done, 0, 0, 0);
        if (failed(got) || got == 0)
            give_up("cannot read ", path);
        done += got;
    }
    *bytes = (size_t)size;
    return data;
}

int create_file(const char *path)
{
    return open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

void write_all(int file, const void *data, size_t bytes)
{
    for (const char *at = data; bytes;) {
        long done = call(WRITE, file, (long)at, (long)bytes, 0, 0, 0);
        if (failed(done) || done == 0)
            give_up("cannot write the results", "");
        at += done;
        bytes -= (size_t)done;
    }
}

char *environment_value(const char *name)
{
    for (char **entry = environment; *entry; entry++) {
        const char *wanted = name;
        char *text = *entry;
        while (*wanted && *wanted == *text) {
            wanted++;
            text++;
        }
        if (!*wanted && *text == '=')
            return text + 1;
    }
    return NULL;
}

int same_text(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* platform_posix.c: platform.h for Linux and Android. Threads are in threads_posix.c. */
#include "environment.h"
#include "platform.h"
#include "shares.h"

extern void *malloc(size_t bytes);
extern void free(void *memory);
extern char *getenv(const char *name);
extern long syscall(long number, ...);

#if defined(__x86_64__)
enum { READ = 0, CLOSE = 3, SCHED_GETAFFINITY = 204, OPENAT = 257 };
#elif defined(__i386__)
enum { READ = 3, CLOSE = 6, SCHED_GETAFFINITY = 242, OPENAT = 295 };
#elif defined(__arm__)
enum { READ = 3, CLOSE = 6, SCHED_GETAFFINITY = 242, OPENAT = 322 };
#elif defined(__aarch64__)
enum { OPENAT = 56, CLOSE = 57, READ = 63, SCHED_GETAFFINITY = 123 };
#else
#error "no system call numbers for this architecture"
#endif

enum { AT_FDCWD = -100, O_CLOEXEC = 02000000 };

/* Where a container sees the processor time that it may use: "QUOTA PERIOD" or "max PERIOD". */
#ifndef CPU_QUOTA_FILE
#define CPU_QUOTA_FILE "/sys/fs/cgroup/cpu.max"
#endif

enum { ALIGNMENT = 64 };

void *ts_allocate(size_t bytes)
{
    if (bytes > SIZE_MAX - ALIGNMENT - sizeof(void *))
        return NULL;
    void *memory = malloc(bytes + ALIGNMENT + sizeof(void *));
    if (memory == NULL)
        return NULL;
    uintptr_t start = ((uintptr_t)memory + sizeof(void *) + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    ((void **)start)[-1] = memory;
    return (void *)start;
}

void ts_release(void *memory)
{
    if (memory != NULL)
        free(((void **)memory)[-1]);
}

bool ts_environment(const char *name, char *value, size_t size)
{
    const char *text = getenv(name);
    if (text == NULL)
        return false;
    for (size_t i = 0; i < size; i++) {
        value[i] = text[i];
        if (text[i] == '\0')
            return true;
    }
    return false;
}

#if defined(__x86_64__)
enum { SCHED_YIELD = 24 };
#elif defined(__aarch64__)
enum { SCHED_YIELD = 124 };
#else
enum { SCHED_YIELD = 158 };
#endif

void ts_yield(void)
{
    syscall(SCHED_YIELD);
}

unsigned ts_available_cpus(void)
{
    unsigned long mask[128];
    long bytes = syscall(SCHED_GETAFFINITY, 0, sizeof mask, mask);
    unsigned cpus = 0;
    for (long i = 0; i < bytes / (long)sizeof mask[0]; i++)
        for (unsigned long word = mask[i]; word != 0; word &= word - 1)
            cpus++;
    return cpus;
}

static uint64_t leading_number(const char **text)
{
    uint64_t number = 0;
    for (; **text >= '0' && **text <= '9' && number < UINT64_MAX / 100; ++*text)
        number = number * 10 + (uint64_t)(**text - '0');
    return number;
}

/* CPUs' worth of time that the container may use, rounded up; 0 when nothing limits it. */
static uint64_t container_cpus(void)
{
    char line[48];
    long file = syscall(OPENAT, (long)AT_FDCWD, CPU_QUOTA_FILE, (long)O_CLOEXEC, 0L);
    if (file < 0)
        return 0;
    long length = syscall(READ, file, line, sizeof line - 1);
    syscall(CLOSE, file);
    if (length <= 0)
        return 0;
    line[length] = '\0';
    const char *text = line;
    uint64_t quota = leading_number(&text);
    if (quota == 0 || *text++ != ' ')
        return 0;
    uint64_t period = leading_number(&text);
    return period == 0 ? 0 : (quota + period - 1) / period;
}

unsigned ts_granted_cpus(void)
{
    unsigned cpus = ts_available_cpus();
    uint64_t granted = container_cpus();
    return granted != 0 && granted < cpus ? (unsigned)granted : cpus;
}

/* freestanding.c: the functions that Clang calls on its own, where no C library gives them. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

/* Words that may lie anywhere and alias anything. */
typedef uintptr_t __attribute__((aligned(1), may_alias)) word;

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    for (; bytes >= sizeof(word); bytes -= sizeof(word), out += sizeof(word), in += sizeof(word))
        *(word *)out = *(const word *)in;
    for (; bytes > 0; bytes--)
        *out++ = *in++;
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    if ((uintptr_t)out - (uintptr_t)in >= bytes) {
        for (; bytes >= sizeof(word); bytes -= sizeof(word), out += sizeof(word), in += sizeof(word))
            *(word *)out = *(const word *)in;
        for (; bytes > 0; bytes--)
            *out++ = *in++;
        return to;
    }
    for (; bytes >= sizeof(word); bytes -= sizeof(word))
        *(word *)(out + bytes - sizeof(word)) = *(const word *)(in + bytes - sizeof(word));
    for (; bytes > 0; bytes--)
        out[bytes - 1] = in[bytes - 1];
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    unsigned char *out = to;
    uintptr_t pattern = (unsigned char)value * (UINTPTR_MAX / 255);
    for (; bytes >= sizeof(word); bytes -= sizeof(word), out += sizeof(word))
        *(word *)out = pattern;
    for (; bytes > 0; bytes--)
        *out++ = (unsigned char)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const unsigned char *left = a, *right = b;
    for (size_t i = 0; i < bytes; i++)
        if (left[i] != right[i])
            return left[i] - right[i];
    return 0;
}

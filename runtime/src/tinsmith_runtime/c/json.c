#include "json.h"

static const char *skip_space(const char *at)
{
    while (at && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

/* Just after the string that begins at `at`. */
static const char *skip_string(const char *at)
{
    if (!at || *at != '"')
        return NULL;
    for (at++; *at != '"'; at++) {
        if (*at == '\\')
            at++;
        if (!*at)
            return NULL;
    }
    return at + 1;
}

/* Just after the value that begins at `at`. */
static const char *skip_value(const char *at)
{
    int64_t depth = 0;
    at = skip_space(at);
    while (at && *at) {
        if (*at == '"') {
            at = skip_string(at);
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (*at == '}' || *at == ']' || *at == ',') {
            if (depth == 0)
                return at;
            if (*at++ != ',' && --depth == 0)
                return at;
            continue;
        } else {
            at++;
        }
        if (depth == 0 && (!at || *at == ',' || *at == '}' || *at == ']'))
            return at;
    }
    return depth == 0 ? at : NULL;
}

static bool names(const char *string, const char *name)
{
    string++;
    while (*name && *string == *name) {
        string++;
        name++;
    }
    return !*name && *string == '"';
}

const char *json_member(const char *object, const char *name)
{
    const char *at = skip_space(object);
    if (!at || *at != '{')
        return NULL;
    at = skip_space(at + 1);
    while (at && *at == '"') {
        const char *value = skip_space(skip_string(at));
        if (!value || *value != ':')
            return NULL;
        value = skip_space(value + 1);
        if (names(at, name))
            return value;
        at = skip_space(skip_value(value));
        at = at && *at == ',' ? skip_space(at + 1) : NULL;
    }
    return NULL;
}

const char *json_first(const char *array)
{
    const char *at = skip_space(array);
    if (!at || *at != '[')
        return NULL;
    at = skip_space(at + 1);
    return *at && *at != ']' ? at : NULL;
}

const char *json_next(const char *element)
{
    const char *at = skip_space(skip_value(element));
    return at && *at == ',' ? skip_space(at + 1) : NULL;
}

bool json_number(const char *value, int64_t *number)
{
    if (!value)
        return false;
    bool negative = *value == '-';
    const char *digit = value + negative;
    uint64_t magnitude = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++)
        if (__builtin_mul_overflow(magnitude, 10, &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t)(*digit - '0'), &magnitude) || magnitude > INT64_MAX)
            return false;
    *number = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return digit > value + negative;
}

size_t json_text_bytes(const char *value)
{
    const char *end = skip_string(value);
    return end ? (size_t)(end - value) : 0; /* no escape is shorter than what it stands for */
}

/* Four hexadecimal digits, or -1. */
static int32_t read_unit(const char *at)
{
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int32_t digit = at[i] >= '0' && at[i] <= '9'   ? at[i] - '0'
                        : at[i] >= 'a' && at[i] <= 'f' ? at[i] - 'a' + 10
                        : at[i] >= 'A' && at[i] <= 'F' ? at[i] - 'A' + 10
                                                       : -1;
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static char *write_utf8(int32_t code, char *out)
{
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
    *out++ = (char)(leads[more] | code >> 6 * more);
    while (more--)
        *out++ = (char)(0x80 | (code >> 6 * more & 0x3f));
    return out;
}

/* Reads what follows "\u", perhaps a pair of surrogates; gives where it ends, or NULL. */
static const char *read_code(const char *at, int32_t *code)
{
    *code = read_unit(at);
    if (*code < 0)
        return NULL;
    at += 4;
    if (*code >= 0xd800 && *code < 0xdc00 && at[0] == '\\' && at[1] == 'u') {
        int32_t low = read_unit(at + 2);
        if (low < 0xdc00 || low > 0xdfff)
            return NULL;
        *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
    }
    return at;
}

bool json_text(const char *value, char *text)
{
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    if (!skip_string(value))
        return false;
    for (const char *at = value + 1; *at != '"';) {
        if (*at != '\\') {
            *text++ = *at++;
            continue;
        }
        if (at[1] == 'u') {
            int32_t code;
            at = read_code(at + 2, &code);
            if (!at)
                return false;
            text = write_utf8(code, text);
            continue;
        }
        const char *pair = escapes;
        while (*pair && *pair != at[1])
            pair += 2;
        if (!*pair)
            return false;
        *text++ = pair[1];
        at += 2;
    }
    *text = 0;
    return true;
}

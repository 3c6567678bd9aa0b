/* A Windows program that uses dlr.dll as DLR's users do. Its exit status is 0 when every answer has the bits of
 * expected.h, else the number of the step that failed. */
#include "dlr.h"

#include "expected.h" /* rows, COUNT, FEATURES, answers, COLUMNS */

__declspec(dllimport) void *__stdcall LoadLibraryExW(const uint16_t *path, void *reserved, uint32_t flags);
__declspec(dllimport) void *__stdcall GetProcAddress(void *library, const char *name);

#define FUNCTION(name) __typeof__(&name) name##_ = GetProcAddress(library, #name)

static float out[COUNT * COLUMNS];

static int32_t bits(float value)
{
    int32_t word;
    __builtin_memcpy(&word, &value, sizeof word);
    return word;
}

int _start(void)
{
    void *library = LoadLibraryExW(u"dlr.dll", NULL, 0);
    if (!library)
        return 1;
    FUNCTION(CreateDLRModel);
    FUNCTION(SetDLRInput);
    FUNCTION(RunDLRModel);
    FUNCTION(GetDLROutput);
    FUNCTION(DeleteDLRModel);
    FUNCTION(DLRGetLastError);
    DLRModelHandle handle;
    if (CreateDLRModel_(&handle, "no\xc3\xa9ther\xe4", 1, 0) != -1 || DLRGetLastError_()[0] != 'C')
        return 2;
    if (CreateDLRModel_(&handle, ".", 1, 0) != 0)
        return 3;
    int64_t shape[] = {COUNT, FEATURES};
    if (SetDLRInput_(&handle, "data", shape, rows, 2) != 0)
        return 4;
    if (RunDLRModel_(&handle) != 0)
        return 5;
    if (GetDLROutput_(&handle, 0, out) != 0)
        return 6;
    for (int i = 0; i < COUNT * COLUMNS; i++)
        if (bits(out[i]) != bits(answers[i]))
            return 7;
    return DeleteDLRModel_(&handle) == 0 ? 0 : 8;
}

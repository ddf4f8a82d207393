/* Names of choices, and the places that stand for them. */
#include "kd/base/option.h"
#include <string.h>

const char *kd_choice_name(const char *const *choices, int index)
{
    for (int i = 0; choices[i]; i++)
        if (i == index) return choices[i];
    return NULL;
}

int kd_choice_index(const char *const *choices, const char *name)
{
    for (int i = 0; choices[i]; i++)
        if (strcmp(choices[i], name) == 0) return i;
    return -1;
}

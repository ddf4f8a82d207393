/* Whatever the text: no crash; what is accepted is printed as JSON that reads back as the same. */
#include "kd/base/json.h"
#include "kd/base/mem.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kd_err err = {0};
    cJSON *value = kd_json_parse((const char *)data, size, "fuzz", &err);
    if (!value) {
        if (strncmp(err.text, "not enough memory", 17) == 0)
            abort(); /* the grammar let pass what cJSON refuses */
        return 0;
    }
    char *text = kd_json_text(value, size % 2, &err);
    cJSON *again = text ? kd_json_parse(text, strlen(text), "again", &err) : NULL;
    if (!again || !cJSON_Compare(value, again, true)) abort();
    char *second = kd_json_text(again, size % 2, &err);
    if (!second || strcmp(text, second) != 0) abort();
    kd_free(text);
    kd_free(second);
    if (cJSON_IsObject(value)) {
        char line[64];
        size_t n = size < sizeof line ? size : sizeof line - 1;
        memcpy(line, data, n);
        line[n] = '\0';
        if (kd_json_assign(value, line, &err) == 0) {
            line[strcspn(line, "=")] = '\0';
            if (!kd_json_get(value, line)) abort();
        }
    }
    cJSON_Delete(again);
    cJSON_Delete(value);
    return 0;
}

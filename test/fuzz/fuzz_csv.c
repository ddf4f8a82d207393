/* Whatever the text of a table: no crash, every cell lies within it and ends. */
#include "../../lib/data/csv.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kd_csv csv;
    struct kd_bytes b = {0};
    struct kd_err err = {0};
    double v;
    if (kd_bytes_add(&b, data, size, &err) < 0) return 0;
    if (kd_csv_parse(&b, "fuzz", &csv, &err) < 0) {
        if (!err.text[0]) abort();
        kd_bytes_release(&b);
        return 0;
    }
    for (size_t r = 0; r < csv.rows; r++)
        for (uint32_t c = 0; c < csv.columns; c++) {
            const char *cell = kd_csv_cell(&csv, r, c);
            if (cell < b.data || cell + strlen(cell) > b.data + size) abort();
            kd_csv_number(&csv, cell, &v);
        }
    kd_csv_release(&csv);
    kd_bytes_release(&b);
    return 0;
}

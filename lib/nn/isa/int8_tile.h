/* The inner product of integer networks, for one way of multiplying: included by int8.c with
 * NAME, TARGET, ELEMENT (bytes) and DOT(sums, splat of A, lanes of B) defined. Sums of some rows
 * and a panel's columns stay in registers. No include guard: it comes several times. */

/* 32 bits of A: four bytes or two of 16 bits. */
INLINE TARGET int32_t NAME(word)(const uint8_t *at)
{
    int32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

INLINE TARGET void NAME(tile)(const unsigned rows, const unsigned q,
                              const struct kd_int8_product *p, size_t row)
{
    lanes sum[ROWS][MOST];
    const uint8_t *a[ROWS], *b = p->b;
    UNROLL for (unsigned r = 0; r < rows; r++)
    {
        a[r] = (const uint8_t *)p->a + p->row[row + r] * ELEMENT;
        UNROLL for (unsigned j = 0; j < q; j++) sum[r][j] = LOAD(p->bias + j * WIDTH);
    }
    for (size_t run = 0; run < p->runs; run++) {
        size_t at = p->run[run] * ELEMENT;
        for (size_t g = 0; g < p->groups; g++, at += 4, b += q * sizeof(lanes)) {
            lanes v[MOST];
            UNROLL for (unsigned j = 0; j < q; j++) v[j] = LOAD(b + j * sizeof(lanes));
            UNROLL for (unsigned r = 0; r < rows; r++)
            {
                lanes x = SPLAT(NAME(word)(a[r] + at));
                UNROLL for (unsigned j = 0; j < q; j++) sum[r][j] = DOT(sum[r][j], x, v[j]);
            }
        }
    }
    int32_t out[ROWS * PANEL];
    UNROLL for (unsigned r = 0; r < rows; r++)
    {
        UNROLL for (unsigned j = 0; j < q; j++) STORE(out + (r * q + j) * WIDTH, sum[r][j]);
    }
    finish(p, row, rows, out);
}

INLINE TARGET void NAME(rows)(const unsigned q, const struct kd_int8_product *p)
{
    size_t row = 0;
    for (; row + ROWS <= p->rows; row += ROWS) NAME(tile)(ROWS, q, p, row);
    for (; row + 2 <= p->rows; row += 2) NAME(tile)(2, q, p, row);
    if (row < p->rows) NAME(tile)(1, q, p, row);
}

static TARGET void NAME(product)(const struct kd_int8_product *p)
{
#if defined(__AVX512F__)
    switch (p->cols / WIDTH) {
    case 1:
        NAME(rows)(1, p);
        return;
    case 2:
        NAME(rows)(2, p);
        return;
    case 3:
        NAME(rows)(3, p);
        return;
    default:
        NAME(rows)(4, p);
    }
#else
    NAME(rows)(2, p);
#endif
}

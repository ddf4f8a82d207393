/* Images in, logits out: how exported C is called. Build with -DHEADER='"net.h"' -DNAME=net
 * -DUPPER=NET. Where bytes come from and go to is host.c's or cortex_m.c's matter. */
#include HEADER
#include "driver.h"

#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define PREDICT      PASTE(NAME, _predict)
#define SIZE(what)   PASTE(UPPER, what)

static uint8_t image[SIZE(_CHANNELS) * SIZE(_HEIGHT) * SIZE(_WIDTH)];
static int32_t logits[SIZE(_CLASSES)];

int driver_run(void)
{
    while (driver_read(image, sizeof image)) {
        PREDICT(image, logits);
        if (!driver_write(logits, sizeof logits)) return 1;
    }
    return 0;
}

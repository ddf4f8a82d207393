/* What driver.c needs of the system below it. */
#ifndef DRIVER_H
#define DRIVER_H
#include <stddef.h>
#include <stdint.h>

int driver_run(void);
int driver_read(void *to, size_t n);          /* 1, or 0 at the end of the images */
int driver_write(const void *from, size_t n); /* 1, or 0 where it failed */
#endif

/* A fuzz target without a fuzzer, for every compiler: each file of the folders named once, as
 * libFuzzer does with -runs=0. `make test` so runs the corpus. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *path)
{
    perror(path);
    exit(1);
}

static void replay(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in || fseek(in, 0, SEEK_END) < 0) fail(path);
    const long size = ftell(in);
    if (size < 0 || fseek(in, 0, SEEK_SET) < 0) fail(path);
    /* exactly as long as the input, so that a sanitizer sees what is read beyond it */
    uint8_t *data = malloc(size ? (size_t)size : 1);
    if (!data || fread(data, 1, (size_t)size, in) != (size_t)size) fail(path);
    fclose(in);
    printf("%s\n", path);
    fflush(stdout); /* the last line says which input it was if the target aborts */
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) fail(argv[i]);
        for (const struct dirent *e; (e = readdir(folder));) {
            char path[4096];
            if (e->d_name[0] == '.') continue;
            const int n = snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (n < 0 || (size_t)n >= sizeof path) fail(argv[i]);
            replay(path);
        }
        closedir(folder);
    }
    return 0;
}

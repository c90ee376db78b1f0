/* replay.c - runs a fuzz target over files without libFuzzer.
 *
 * `make check` feeds every target what fuzzing once found, compiled like everything else. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0;
    long length;
    bool good = false;

    if (!file || fseek(file, 0, SEEK_END) != 0 || (length = ftell(file)) < 0)
        goto out;
    rewind(file);
    size = (size_t)length;
    /* Exactly as large as the input, so that AddressSanitizer sees one byte too far. */
    data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, file) != size)
        goto out;
    (void)LLVMFuzzerTestOneInput(data, size);
    good = true;
out:
    free(data);
    if (file)
        (void)fclose(file);
    return good;
}

int main(int argc, char **argv)
{
    static const uint8_t nothing[1];

    (void)LLVMFuzzerTestOneInput(nothing, 0);
    for (int i = 1; i < argc; i++) {
        if (!run_file(argv[i])) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
    }
    printf("%d inputs\n", argc - 1);
    return EXIT_SUCCESS;
}

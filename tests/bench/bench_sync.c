/* The bound that no journal can beat: records appended to one file, so many for each fdatasync.
 *
 *     bench_sync DIRECTORY RECORDS SECONDS        prints records a second */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RECORD_SIZE = 700 }; /* an object of 500 bytes with its frame */

static double now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    char name[512];
    size_t records = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
    double seconds = argc > 3 ? strtod(argv[3], NULL) : 0;
    size_t length = records * RECORD_SIZE, done = 0;
    char *bytes = calloc(records + 1, RECORD_SIZE);

    if (records == 0 || !bytes) {
        fprintf(stderr, "usage: bench_sync DIRECTORY RECORDS SECONDS\n");
        return EXIT_FAILURE;
    }
    (void)snprintf(name, sizeof name, "%s/sync", argv[1]);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    double start = now();
    while (fd != -1 && now() - start < seconds) {
        if (write(fd, bytes, length) != (ssize_t)length || fdatasync(fd) != 0) {
            perror(name);
            return EXIT_FAILURE;
        }
        done += records;
    }
    printf("%.0f\n", (double)done / (now() - start));
    free(bytes);
    return fd == -1 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* volume_files.c - a volume beside a real directory. */
#include "volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SIZE = 4096, PIECE = 65536 };

static bool complain(const char *name, const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", name, what);
    return false;
}

static void join(char out[NAME_SIZE], const char *directory, const char *name)
{
    (void)snprintf(out, NAME_SIZE, "%s/%s", directory, name);
}

static bool check_content(const struct content *content, const char *name)
{
    unsigned char piece[PIECE];
    size_t at = 0;
    ssize_t count;
    int fd = open(name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return complain(name, "is not there, but in the trace");
    while ((count = read(fd, piece, sizeof piece)) > 0) {
        if ((size_t)count > content->size - at ||
            memcmp(piece, content->bytes + at, (size_t)count) != 0)
            break;
        at += (size_t)count;
    }
    (void)close(fd);
    return (count == 0 && at == content->size) ||
           complain(name, "is not what the trace has led to: something was not recorded");
}

static bool check_names(const struct node *node, const char *name)
{
    DIR *directory = opendir(name);
    const struct dirent *found;
    size_t count = 0;

    if (!directory)
        return complain(name, "is not there, but in the trace");
    while ((found = readdir(directory)))
        count += strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0 &&
                 (node->role != ROLE_JOURNAL || strcmp(found->d_name, "news") != 0);
    (void)closedir(directory);
    return count == node->names.count || complain(name, "has other names than in the trace");
}

static bool check_node(const struct node *node, const char *name)
{
    char below[NAME_SIZE];

    if (!node->is_directory)
        return check_content(node->now, name);
    if (!check_names(node, name))
        return false;
    for (size_t i = 0; i < node->names.count; i++) {
        join(below, name, node->names.items[i].name);
        if (!check_node(node->names.items[i].node, below))
            return false;
    }
    return true;
}

bool volume_check_directory(const struct volume *volume, const char *directory)
{
    return check_node(volume->root, directory);
}

static bool save_content(const struct content *content, const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t at = 0;

    while (fd >= 0 && at < content->size) {
        ssize_t count = write(fd, content->bytes + at, content->size - at);

        if (count <= 0)
            break;
        at += (size_t)count;
    }
    if (fd >= 0)
        (void)close(fd);
    return (fd >= 0 && at == content->size) || complain(name, strerror(errno));
}

static bool save_node(const struct node *node, const char *name)
{
    char below[NAME_SIZE];

    if (!node->is_directory)
        return save_content(node->now, name);
    if (mkdir(name, 0700) < 0)
        return complain(name, strerror(errno));
    for (size_t i = 0; i < node->names.count; i++) {
        join(below, name, node->names.items[i].name);
        if (!save_node(node->names.items[i].node, below))
            return false;
    }
    return true;
}

bool volume_save(const struct volume *volume, const char *directory)
{
    return save_node(volume->root, directory);
}

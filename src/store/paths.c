#include "store/paths.h"

#include <stdio.h>
#include <string.h>

/* An address's path fits by its own limits, so nothing here is ever cut. */
static void put_in(char out[PATHS_SIZE], const char *collection, const char *name)
{
    (void)snprintf(out, PATHS_SIZE, "%s/%s", collection, name);
}

void paths_put_info(char out[PATHS_SIZE], const char *collection)
{
    put_in(out, collection, "collection.json");
}

void paths_put_index(char out[PATHS_SIZE], const char *collection)
{
    put_in(out, collection, "database.index");
}

void paths_put_data(char out[PATHS_SIZE], const char *collection, uint64_t generation)
{
    (void)snprintf(out, PATHS_SIZE, "%s/database.%llu", collection, (unsigned long long)generation);
}

void paths_put_deleted(char out[PATHS_SIZE], const char *collection)
{
    put_in(out, collection, "deleted.json");
}

void paths_put_lock(char out[PATHS_SIZE], const char *collection)
{
    put_in(out, collection, "lock");
}

void paths_put_blobs(char out[PATHS_SIZE], const char *collection)
{
    put_in(out, collection, "blobs");
}

void paths_put_blob(char out[PATHS_SIZE], const char *collection, const char *name)
{
    (void)snprintf(out, PATHS_SIZE, "%s/blobs/%s", collection, name);
}

void paths_put_directory(char out[PATHS_SIZE], const char *collection, unsigned level)
{
    size_t length = strlen(collection);

    for (; level > 0 && length > 0; level--) {
        while (length > 0 && collection[length - 1] != '/')
            length--;
        if (length > 0)
            length--; /* the slash */
    }
    if (length == 0)
        (void)snprintf(out, PATHS_SIZE, ".");
    else
        (void)snprintf(out, PATHS_SIZE, "%.*s", (int)length, collection);
}

/* What percent_encode writes. */
static bool is_plain(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '~' ||
           byte == '@' || byte == '%' || byte == '.';
}

/* "..." is a name as good as any; "." and ".." lead elsewhere. */
static bool check_name(struct str name)
{
    for (size_t i = 0; i < name.length; i++) {
        if (!is_plain(name.data[i]))
            return false;
    }
    return name.length > 0 && name.length <= ADDRESS_NAME_MOST && !str_equals(name, STR(".")) &&
           !str_equals(name, STR(".."));
}

bool paths_check(struct str collection)
{
    struct str rest = collection, name;
    unsigned count = 0;

    while (str_split(&rest, '/', &name)) {
        if (!check_name(name))
            return false;
        count++;
    }
    return count == 3 && collection.data[0] != '.'; /* .journal is ours */
}

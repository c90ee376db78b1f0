/* Breaks every rule about libraries on purpose. */
#include <curl/curl.h>
#include <event2/http.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <yajl/yajl_parse.h>

int sync_it(int fd)
{
    return fdatasync(fd) + fsync(fd);
}

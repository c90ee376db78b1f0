/* Breaks no rule. */
#include "base/str.h"
#include "loop/loop.h"

#include <event2/event.h>

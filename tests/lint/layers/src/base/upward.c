/* Breaks a rule on purpose: base stands below loop. */
#include "loop/loop.h"

/* Breaks a rule on purpose: store and loop stand on one floor. */
#  include "loop/task.h"

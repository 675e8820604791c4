#include "probe.h"
const struct probe_case inside_cases[] = {{0}};

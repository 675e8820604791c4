#include "probe.h"
const struct probe_case mounts_cases[] = {{0}};

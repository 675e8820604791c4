#include "probe.h"
const struct probe_case proc_cases[] = {{0}};

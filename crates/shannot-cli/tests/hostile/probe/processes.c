#include "probe.h"
const struct probe_case processes_cases[] = {{0}};

#include "probe.h"
const struct probe_case exec_cases[] = {{0}};

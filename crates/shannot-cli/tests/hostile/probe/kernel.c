#include "probe.h"
const struct probe_case kernel_cases[] = {{0}};

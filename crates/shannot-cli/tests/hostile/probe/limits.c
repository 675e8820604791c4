#include "probe.h"
const struct probe_case limits_cases[] = {{0}};

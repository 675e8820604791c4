#include "probe.h"
const struct probe_case hidden_cases[] = {{0}};

#include "probe.h"
const struct probe_case sockets_cases[] = {{0}};

#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>

#include "os/cgroup.h"
#include "worker/program.h"

enum { SENSORS_MAX = 64 }; /* of each kind */

uint64_t measure_cpu_us(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0)
        return 0;
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Returns degrees; the file holds thousandths. A value that no chip survives comes from a broken
 * sensor: 0. */
static float read_sensor(const char *path)
{
    long milli = 0;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    bool read = fscanf(f, "%ld", &milli) == 1;
    fclose(f);
    return read && milli > 0 && milli < 150000 ? (float)milli / 1000.0f : 0;
}

float measure_temperature_c(const char *root)
{
    static const char *const patterns[] = {"class/thermal/thermal_zone*/temp", "class/hwmon/hwmon*/temp*_input"};
    float hottest = 0;
    for (size_t k = 0; k < sizeof patterns / sizeof patterns[0]; k++) {
        char pattern[256];
        glob_t found;
        snprintf(pattern, sizeof pattern, "%s/%s", root, patterns[k]);
        if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
            continue;
        for (size_t i = 0; i < found.gl_pathc && i < SENSORS_MAX; i++) {
            float c = read_sensor(found.gl_pathv[i]);
            hottest = c > hottest ? c : hottest;
        }
        globfree(&found);
    }
    return hottest;
}

uint32_t measure_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    /* A container limits time, not processors: more threads than its share would all be
     * throttled at once. */
    struct cgroup_limits limits;
    cgroup_read(&limits);
    if (limits.cpus > 0 && (double)n > limits.cpus)
        n = (int)(limits.cpus + 0.5);
    return n > 0 ? (uint32_t)n : 1;
}

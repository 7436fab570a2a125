/* What a worker measures of its machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "worker/program.h"

/* A machine's /sys, with what its sensors say. */
static void sensor(const char *root, const char *folder, const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/class", root);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/class/%.*s", root, (int)strcspn(folder, "/"), folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/class/%s", root, folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/class/%s/%s", root, folder, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Given a machine with no sensors, then with some of which one is broken; the hottest of those that work counts. */
static void the_hottest_sensor_counts(void **state)
{
    (void)state;
    char root[] = "/tmp/manta-sensors-XXXXXX", command[64];
    assert_non_null(mkdtemp(root));
    assert_float_equal(measure_temperature_c(root), 0, 0);
    sensor(root, "thermal/thermal_zone0", "temp", "41000\n");
    assert_float_equal(measure_temperature_c(root), 41, 0.001);
    sensor(root, "hwmon/hwmon3", "temp1_input", "63500\n");
    sensor(root, "hwmon/hwmon3", "temp2_input", "not a number\n");
    sensor(root, "hwmon/hwmon4", "temp1_input", "999999\n");
    sensor(root, "thermal/thermal_zone1", "temp", "-40000\n");
    assert_float_equal(measure_temperature_c(root), 63.5, 0.001);
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hottest_sensor_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

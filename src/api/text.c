/* Text formats that several dialects share. */
#include <time.h>

#include "api/answer.h"

struct str api_time_text(int64_t unix_s, char out[API_TIME_BYTES])
{
    struct tm tm;
    time_t at = (time_t)unix_s;
    gmtime_r(&at, &tm);
    return str_n(out, strftime(out, API_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm));
}

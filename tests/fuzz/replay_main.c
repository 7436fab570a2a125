/* Runs a fuzz target over the files of its corpus, once each, without libFuzzer: every input that once was
 * interesting stays a test, also where there is no clang. Usage: replay_<name> FOLDER... */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES_MAX = 16 << 20, PATH_BYTES_MAX = 4096 };

/* Returns whether the file could be read and was run. */
static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 0;
    }
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    if (!data)
        abort();
    size_t size = fread(data, 1, INPUT_BYTES_MAX, f);
    fclose(f);

    /* An allocation of exactly its size, so that the address sanitizer sees a read of one byte too many. */
    uint8_t *input = malloc(size ? size : 1);
    if (!input)
        abort();
    for (size_t i = 0; i < size; i++)
        input[i] = data[i];
    free(data);
    LLVMFuzzerTestOneInput(input, size);
    free(input);
    return 1;
}

/* Returns how many inputs were run, or -1. */
static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        perror(folder);
        return -1;
    }
    int files = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[PATH_BYTES_MAX];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (!replay_file(path)) {
            files = -1;
            break;
        }
        files++;
    }
    closedir(dir);
    return files;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int files = replay_folder(argv[i]);
        if (files < 0)
            return 1;
        total += files;
    }
    printf("replayed %d inputs\n", total);
    return total > 0 ? 0 : 1; /* an empty corpus proves nothing */
}

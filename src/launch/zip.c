/* Local headers and contents, then a central directory that repeats the headers, then its end record: PKZIP's APPNOTE 4.3. */
#include "launch/zip.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    LOCAL_SIGNATURE = 0x04034b50,
    CENTRAL_SIGNATURE = 0x02014b50,
    END_SIGNATURE = 0x06054b50,
    VERSION = 20,            /* needed to extract: folders in names */
    MADE_BY_UNIX = 3 << 8,   /* so that readers apply the permissions */
    DOS_DATE = 0x0021,       /* 1980-01-01: the same files give the same archive */
    PATH_BYTES = 4096,
    DEPTH_MAX = 16,
};

struct zip zip_begin(void)
{
    return (struct zip){.out = buf_max(ZIP_BYTES_MAX), .directory = buf_max(ZIP_FILES_MAX * (PATH_BYTES + 64))};
}

void zip_fini(struct zip *z)
{
    buf_fini(&z->out);
    buf_fini(&z->directory);
}

uint32_t zip_crc(struct str bytes)
{
    static uint32_t table[256];
    for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = (c & 1) != 0 ? 0xedb88320u ^ (c >> 1) : c >> 1;
        table[i] = c;
    }
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < bytes.n; i++)
        crc = table[(crc ^ (unsigned char)bytes.p[i]) & 0xff] ^ (crc >> 8);
    return crc ^ 0xffffffffu;
}

static void put16(struct buf *b, uint32_t v)
{
    buf_add(b, (const unsigned char[]){(unsigned char)v, (unsigned char)(v >> 8)}, 2);
}

static void put32(struct buf *b, uint32_t v)
{
    put16(b, v & 0xffff);
    put16(b, v >> 16);
}

struct entry {
    const char *name;
    uint32_t crc, bytes, at; /* at: of its local header */
    uint32_t mode;
};

/* Appends the fields that local header and directory have in common. */
static void put_common(struct buf *b, const struct entry *e)
{
    put16(b, VERSION);
    put16(b, 1 << 11); /* names are UTF-8 */
    put16(b, 0);       /* stored */
    put16(b, 0);
    put16(b, DOS_DATE);
    put32(b, e->crc);
    put32(b, e->bytes);
    put32(b, e->bytes);
    put16(b, (uint32_t)strlen(e->name));
    put16(b, 0); /* no extra field */
}

static void put_local(struct buf *b, const struct entry *e)
{
    put32(b, LOCAL_SIGNATURE);
    put_common(b, e);
    buf_puts(b, e->name);
}

static void put_central(struct buf *b, const struct entry *e)
{
    put32(b, CENTRAL_SIGNATURE);
    put16(b, VERSION | MADE_BY_UNIX);
    put_common(b, e);
    put16(b, 0); /* no comment */
    put16(b, 0); /* the first disk */
    put16(b, 0);
    put32(b, e->mode << 16);
    put32(b, e->at);
    buf_puts(b, e->name);
}

static int too_large(const char *path, struct fault *f)
{
    return fault_set(f, ERR_TOO_LARGE, "cannot pack '%s': the archive would be larger than %d MiB, or have more than %d files", path,
                     ZIP_BYTES_MAX >> 20, ZIP_FILES_MAX);
}

static int read_whole(const char *path, struct buf *into, struct stat *about, struct fault *f)
{
    FILE *in = fopen(path, "rbe");
    if (in == NULL || fstat(fileno(in), about) != 0) {
        int err = fault_set(f, ERR_IO, "cannot read '%s': %s", path, strerror(errno));
        if (in != NULL)
            fclose(in);
        return err;
    }
    size_t n = (size_t)about->st_size;
    int err = !S_ISREG(about->st_mode) ? fault_set(f, ERR_IO, "cannot read '%s': it is no file", path) : buf_reserve(into, n) != 0 ? too_large(path, f) : 0;
    if (err == 0 && n > 0 && fread(into->p, 1, n, in) != n)
        err = fault_set(f, ERR_IO, "cannot read '%s': it ended early", path);
    into->n = err == 0 ? n : 0;
    fclose(in);
    return err;
}

int zip_add(struct zip *z, const char *path, const char *name, struct fault *f)
{
    struct buf content = buf_max(ZIP_BYTES_MAX);
    struct stat about;
    int err = strlen(name) >= PATH_BYTES || z->files >= ZIP_FILES_MAX ? too_large(path, f) : read_whole(path, &content, &about, f);
    if (err == 0) {
        struct entry e = {.name = name, .crc = zip_crc(buf_str(&content)), .bytes = (uint32_t)content.n, .at = (uint32_t)z->out.n, .mode = about.st_mode};
        put_local(&z->out, &e);
        buf_add_str(&z->out, buf_str(&content));
        put_central(&z->directory, &e);
        z->files++;
        if (z->out.overflowed || z->directory.overflowed)
            err = too_large(path, f);
    }
    buf_fini(&content);
    return err;
}

static int is_wanted(const struct dirent *d)
{
    return d->d_name[0] != '.' && strcmp(d->d_name, "__pycache__") != 0;
}

static int add_folder(struct zip *z, const char *folder, const char *name, int depth, struct fault *f)
{
    struct dirent **found;
    int n = depth < DEPTH_MAX ? scandir(folder, &found, is_wanted, alphasort) : -1;
    if (n < 0)
        return fault_set(f, ERR_IO, "cannot read the folder '%s': %s", folder, depth < DEPTH_MAX ? strerror(errno) : "it is too deep");
    int err = 0;
    for (int i = 0; i < n; i++) {
        char path[PATH_BYTES], inner[PATH_BYTES];
        struct stat about;
        bool fits = snprintf(path, sizeof path, "%s/%s", folder, found[i]->d_name) < (int)sizeof path &&
                    snprintf(inner, sizeof inner, "%s/%s", name, found[i]->d_name) < (int)sizeof inner;
        if (err == 0 && !fits)
            err = too_large(folder, f);
        else if (err == 0)
            err = stat(path, &about) == 0 && S_ISDIR(about.st_mode) ? add_folder(z, path, inner, depth + 1, f) : zip_add(z, path, inner, f);
        free(found[i]);
    }
    free(found);
    return err;
}

int zip_add_folder(struct zip *z, const char *folder, const char *name, struct fault *f)
{
    return add_folder(z, folder, name, 0, f);
}

int zip_end(struct zip *z, struct fault *f)
{
    uint32_t at = (uint32_t)z->out.n;
    buf_add_str(&z->out, buf_str(&z->directory));
    put32(&z->out, END_SIGNATURE);
    put32(&z->out, 0); /* one disk */
    put16(&z->out, z->files);
    put16(&z->out, z->files);
    put32(&z->out, (uint32_t)z->directory.n);
    put32(&z->out, at);
    put16(&z->out, 0); /* no comment */
    return z->out.overflowed ? too_large("the end", f) : 0;
}

int zip_read(struct zip *z, const char *path, struct fault *f)
{
    struct stat about;
    int err = read_whole(path, &z->out, &about, f);
    if (err == 0 && (z->out.n < 22 || memcmp(z->out.p, "PK\3\4", 4) != 0))
        err = fault_set(f, ERR_INVALID, "'%s' is not a wheel or zip file", path);
    return err;
}

/* What a file is that is not what was expected, by its first bytes. */
#include "kd/base/known_formats.h"
#include <string.h>

static const struct {
    const char *start, *name, *remedy;
    size_t size, at; /* bytes of start, where they stand */
} known[] = {
    {"\x93NUMPY", "a .npy file", "name it tensors:IMAGES.npy,LABELS.npy", 6, 0},
    {"PK\x03\x04", "an archive (.npz, a PyTorch file, .zip, .xlsx)",
     "save the arrays as .npy or .safetensors", 4, 0},
    {"\x89HDF", "an HDF5 file (.h5, MATLAB 7.3)", "save the arrays as .npy or .safetensors", 4, 0},
    {"MATLAB 5.0 MAT-file", "a MATLAB file",
     "save the arrays as .npy, with scipy.io.loadmat and numpy.save", 19, 0},
    {"PAR1", "a Parquet file", "save it as CSV, with pandas.read_parquet(...).to_csv", 4, 0},
    {"\x80\x02", "a Python pickle", "save the arrays as .npy or .safetensors", 2, 0},
    {"\x80\x03", "a Python pickle", "save the arrays as .npy or .safetensors", 2, 0},
    {"\x80\x04", "a Python pickle", "save the arrays as .npy or .safetensors", 2, 0},
    {"\x80\x05", "a Python pickle", "save the arrays as .npy or .safetensors", 2, 0},
    {"\x1f\x8b", "compressed with gzip", "unpack it with gunzip first", 2, 0},
    {"BZh", "compressed with bzip2", "unpack it with bunzip2 first", 3, 0},
    {"\xfd"
     "7zXZ",
     "compressed with xz", "unpack it with unxz first", 5, 0},
    {"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it with unzstd first", 4, 0},
    {"\x89PNG\r\n\x1a\n", "a PNG picture", "folders of pictures are named images:DIR", 8, 0},
    {"\xff\xd8\xff", "a JPEG picture", "folders of pictures are named images:DIR", 3, 0},
    {"GIF8", "a GIF picture", "convert it to PNG", 4, 0},
    {"BM", "a BMP picture", "convert it to PNG", 2, 0},
    {"II*\0", "a TIFF picture", "convert it to PNG", 4, 0},
    {"MM\0*", "a TIFF picture", "convert it to PNG", 4, 0},
    {"WEBP", "a WebP picture", "convert it to PNG or JPEG", 4, 8},
    {"ftyp", "an HEIC or AVIF picture, or a film", "convert it to PNG or JPEG", 4, 4},
    {"%PDF", "a PDF document", "take the pictures out of it", 4, 0},
    {"\0\0\x08\x01", "an IDX file", "name its folder with idx:DIR", 4, 0},
    {"\0\0\x08\x03", "an IDX file", "name its folder with idx:DIR", 4, 0},
    {"\xff\xfe", "text in UTF-16", "save it as UTF-8", 2, 0},
    {"\xfe\xff", "text in UTF-16", "save it as UTF-8", 2, 0},
    {"<!DOCTYPE", "a web page", "fetch the file itself, the page is about it", 9, 0},
    {"<html", "a web page", "fetch the file itself, the page is about it", 5, 0},
    {"version https://git-lfs", "a Git LFS pointer", "fetch the file itself with git lfs pull", 23,
     0},
    {"{", "JSON text", "experiments are given without an option", 1, 0},
};

/* Lines of which the first two have equally many commas, semicolons or tabs. */
static bool is_table(const char *data, size_t size)
{
    size_t count[2] = {0, 0};
    unsigned line = 0;
    const size_t end = size < 65536 ? size : 65536;
    for (size_t i = 0; i < end && line < 2; i++) {
        const unsigned char c = (unsigned char)data[i];
        if (c == '\n')
            line++;
        else if (c == ',' || c == ';' || c == '\t')
            count[line]++;
        else if (c < ' ' && c != '\r')
            return false;
    }
    return count[0] > 0 && (line < 2 || count[0] == count[1]);
}

bool kd_known_format(const void *bytes, size_t size, struct kd_known_format *out)
{
    const char *p = bytes;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        if (size < known[i].at + known[i].size ||
            memcmp(p + known[i].at, known[i].start, known[i].size) != 0)
            continue;
        *out = (struct kd_known_format){known[i].name, known[i].remedy};
        return true;
    }
    if (size == 0)
        *out = (struct kd_known_format){"empty", "fetch or write it again"};
    else if (is_table(p, size))
        *out = (struct kd_known_format){"a table of text (CSV)", "name it csv:FILE"};
    else
        return false;
    return true;
}

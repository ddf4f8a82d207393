/* Residual networks for 32x32 images. */
#include "networks.h"

/* He et al. 2016, figure 2 with batch norm: two convolutions beside the input, relu on the sum.
 * Where width or stride change, a 1x1 convolution with batch norm stands beside (option B). */
static void basic(struct kd_writing *w, int filters, int stride, bool project)
{
    kd_write_open(w, "{\"kind\":\"residual\",\"body\":[");
    kd_write_block(w, (struct kd_write_conv){.filters = filters, .stride = stride}, "relu");
    kd_write_block(w, (struct kd_write_conv){.filters = filters}, NULL);
    if (project) {
        kd_write_open(w, "],\"shortcut\":[");
        kd_write_block(w, (struct kd_write_conv){.filters = filters, .kernel = 1, .stride = stride},
                       NULL);
    }
    kd_write_close(w, "]}");
    kd_write(w, "\"relu\"");
}

static void head(struct kd_writing *w)
{
    kd_write(w, "\"global_avgpool\",\"flatten\",\"dense\"");
}

/* He et al. 2016, section 4.2: depth 6 n + 2, three groups of n blocks. v: depth; filters of the
 * first convolution and of the groups. */
static void resnet(struct kd_writing *w, const int *v)
{
    int blocks = (v[0] - 2) / 6;
    kd_write_block(w, (struct kd_write_conv){.filters = v[1]}, "relu");
    for (int g = 0; g < 3; g++)
        for (int b = 0; b < blocks; b++)
            basic(w, v[2 + g], g && !b ? 2 : 1, !b && (g || v[1] != v[2]));
    head(w);
}

static void resnet18(struct kd_writing *w, const int *v)
{
    (void)v;
    kd_write_block(w, (struct kd_write_conv){.filters = 64}, "relu");
    for (int g = 0; g < 4; g++)
        for (int b = 0; b < 2; b++) basic(w, 64 << g, g && !b ? 2 : 1, g && !b);
    head(w);
}

static void twice(struct kd_writing *w, int filters)
{
    kd_write_open(w, "{\"kind\":\"residual\",\"body\":[");
    for (int i = 0; i < 2; i++)
        kd_write_block(w, (struct kd_write_conv){.filters = filters}, "relu");
    kd_write_close(w, "]}");
}

/* The eight convolutions of DAWNBench's entries, logits scaled by 1/8. */
static void resnet9(struct kd_writing *w, const int *v)
{
    (void)v;
    kd_write_block(w, (struct kd_write_conv){.filters = 64}, "relu");
    for (int g = 1; g < 4; g++) {
        kd_write_block(w, (struct kd_write_conv){.filters = 64 << g}, "relu");
        kd_write(w, "{\"kind\":\"maxpool\"}");
        if (g != 2) twice(w, 64 << g);
    }
    kd_write(w, "\"global_maxpool\",\"flatten\",{\"kind\":\"dense\",\"bias\":false},"
                "{\"kind\":\"scale\",\"by\":0.125}");
}

/* Zagoruyko and Komodakis 2016: batch norm and relu before each convolution. The first block of a
 * group hands what they make of its input to both sides. */
static void wide(struct kd_writing *w, int filters, int stride, bool project)
{
    struct kd_write_conv first = {.filters = filters, .stride = stride};
    if (project) kd_write(w, "\"batchnorm\",\"relu\"");
    kd_write_open(w, "{\"kind\":\"residual\",\"body\":[");
    if (!project) kd_write(w, "\"batchnorm\",\"relu\"");
    kd_write_block(w, first, "relu");
    kd_write_conv(w, (struct kd_write_conv){.filters = filters});
    if (project) {
        kd_write_open(w, "],\"shortcut\":[");
        first.kernel = 1;
        kd_write_conv(w, first);
    }
    kd_write_close(w, "]}");
}

/* v: depth, 6 n + 4; width factor. */
static void wrn(struct kd_writing *w, const int *v)
{
    int blocks = (v[0] - 4) / 6;
    kd_write_conv(w, (struct kd_write_conv){.filters = 16});
    for (int g = 0; g < 3; g++)
        for (int b = 0; b < blocks; b++)
            wide(w, (16 << g) * v[1], g && !b ? 2 : 1, !b && (g || v[1] != 1));
    kd_write(w, "\"batchnorm\",\"relu\"");
    head(w);
}

/* MLPerf Tiny's image classifier (Banbury et al. 2021): resnet8 with biases, its shortcuts without
 * batch norm. */
static void tiny(struct kd_writing *w, const int *v)
{
    (void)v;
    kd_write_block(w, (struct kd_write_conv){.filters = 16, .bias = true}, "relu");
    for (int g = 0; g < 3; g++) {
        int filters = 16 << g, stride = g ? 2 : 1;
        kd_write_open(w, "{\"kind\":\"residual\",\"body\":[");
        kd_write_block(
            w, (struct kd_write_conv){.filters = filters, .stride = stride, .bias = true}, "relu");
        kd_write_block(w, (struct kd_write_conv){.filters = filters, .bias = true}, NULL);
        if (g) {
            kd_write_open(w, "],\"shortcut\":[");
            kd_write_conv(w, (struct kd_write_conv){
                                 .filters = filters, .kernel = 1, .stride = stride, .bias = true});
        }
        kd_write_close(w, "]}");
        kd_write(w, "\"relu\"");
    }
    head(w);
}

#define NARROW   16, 16, 32, 64
#define FOURFOLD 32, 64, 128, 256
const struct kd_named_network kd_networks_resnet[] = {
    {"resnet8", "He et al. 2016, 16-32-64 filters", resnet, .v = {8, NARROW}},
    {"resnet14", "the same, 14 layers", resnet, .v = {14, NARROW}},
    {"resnet20", "the same, 20 layers", resnet, .v = {20, NARROW}},
    {"resnet32", "the same, 32 layers", resnet, .v = {32, NARROW}},
    {"resnet44", "the same, 44 layers", resnet, .v = {44, NARROW}},
    {"resnet56", "the same, 56 layers", resnet, .v = {56, NARROW}},
    {"resnet110", "the same, 110 layers", resnet, .v = {110, NARROW}},
    {"resnet8x4", "four times as wide (Tian et al. 2020)", resnet, .v = {8, FOURFOLD}},
    {"resnet32x4", "the same, 32 layers", resnet, .v = {32, FOURFOLD}},
    {"resnet9", "DAWNBench's entries on CIFAR-10", resnet9, .v = {0}},
    {"resnet18", "He et al. 2016, its first layer for 32x32 images", resnet18, .v = {0}},
    {"wrn_16_1", "Zagoruyko and Komodakis 2016: depth 16, width 1", wrn, .v = {16, 1}},
    {"wrn_16_2", "the same, width 2", wrn, .v = {16, 2}},
    {"wrn_40_1", "the same, depth 40, width 1", wrn, .v = {40, 1}},
    {"wrn_40_2", "the same, depth 40, width 2", wrn, .v = {40, 2}},
    {"resnet8_tiny", "MLPerf Tiny's image classifier (Banbury et al. 2021)", tiny, .v = {0}},
    {0},
};

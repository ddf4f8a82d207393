/* VGG (Simonyan and Zisserman 2015, table 1) with batch norm, for 32x32 images: groups of 3x3
 * convolutions, a pool behind each, one dense layer. */
#include "networks.h"

static const int filters[] = {64, 128, 256, 512, 512};

static void group(struct kd_writing *w, int of, int convolutions)
{
    for (int i = 0; i < convolutions; i++)
        kd_write_block(w, (struct kd_write_conv){.filters = of, .bias = true}, "relu");
}

/* v: convolutions in each group. Five pools. */
static void vgg_bn(struct kd_writing *w, const int *v)
{
    for (int g = 0; g < 5; g++) {
        group(w, filters[g], v[g]);
        kd_write(w, "{\"kind\":\"maxpool\"}");
    }
    kd_write(w, "\"flatten\",\"dense\"");
}

/* As papers on distillation have it for CIFAR: three pools, so that the last two groups see 4x4
 * maps, and the mean of these (Tian et al. 2020). */
static void vgg_kd(struct kd_writing *w, const int *v)
{
    for (int g = 0; g < 5; g++) {
        group(w, filters[g], v[g]);
        if (g < 3) kd_write(w, "{\"kind\":\"maxpool\"}");
    }
    kd_write(w, "\"global_avgpool\",\"flatten\",\"dense\"");
}

const struct kd_named_network kd_networks_vgg[] = {
    {"vgg8", "as papers on distillation have it: three pools (Tian et al. 2020)", vgg_kd,
     .v = {1, 1, 1, 1, 1}},
    {"vgg13", "the same with two convolutions a group", vgg_kd, .v = {2, 2, 2, 2, 2}},
    {"vgg11_bn", "Simonyan and Zisserman 2015, with batch norm", vgg_bn, .v = {1, 1, 2, 2, 2}},
    {"vgg13_bn", "the same, 13 layers", vgg_bn, .v = {2, 2, 2, 2, 2}},
    {"vgg16_bn", "the same, 16 layers", vgg_bn, .v = {2, 2, 3, 3, 3}},
    {"vgg19_bn", "the same, 19 layers", vgg_bn, .v = {2, 2, 4, 4, 4}},
    {0},
};

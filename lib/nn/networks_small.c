/* Networks for small devices, of depthwise separable convolutions. */
#include "networks.h"

/* Zhang et al. 2017, as MLPerf Tiny spots keywords with it (Banbury et al. 2021): a 10x4
 * convolution, four separable ones, with biases. Its input there is 1x49x10. */
static void ds_cnn(struct kd_writing *w, const int *v)
{
    (void)v;
    kd_write(w, "{\"kind\":\"conv2d\",\"filters\":64,\"kernel\":10,\"kernel_width\":4,"
                "\"stride\":2,\"padding\":5,\"padding_width\":1},\"batchnorm\",\"relu\","
                "{\"kind\":\"dropout\",\"rate\":0.2}");
    for (int i = 0; i < 4; i++) {
        kd_write_block(w, (struct kd_write_conv){.filters = 64, .groups = 64, .bias = true},
                       "relu");
        kd_write_block(w, (struct kd_write_conv){.filters = 64, .kernel = 1, .bias = true}, "relu");
    }
    kd_write(w, "{\"kind\":\"dropout\",\"rate\":0.4},\"global_avgpool\",\"flatten\",\"dense\"");
}

/* The nearest multiple of 8, which is not below nine tenths of it, as the authors' code rounds. */
static int eights(int channels, int thousandths)
{
    int exact = channels * thousandths / 1000;
    int n = (exact + 4) / 8 * 8;
    if (n < 8) n = 8;
    return 10 * (int64_t)n * 1000 < 9 * (int64_t)channels * thousandths ? n + 8 : n;
}

/* Sandler et al. 2018, figure 4d: 1x1 to `factor` times the channels, depthwise, 1x1 back without
 * an activation; the input is added where the shapes are the same. */
static void inverted(struct kd_writing *w, int in, int out, int stride, int factor)
{
    bool added = in == out && stride == 1;
    if (added) kd_write_open(w, "{\"kind\":\"residual\",\"body\":[");
    if (factor > 1)
        kd_write_block(w, (struct kd_write_conv){.filters = in * factor, .kernel = 1}, "relu6");
    kd_write_block(
        w, (struct kd_write_conv){.filters = in * factor, .stride = stride, .groups = in * factor},
        "relu6");
    kd_write_block(w, (struct kd_write_conv){.filters = out, .kernel = 1}, NULL);
    if (added) kd_write_close(w, "]}");
}

/* Table 2 of the paper; with the strides that papers on distillation use for 32x32 images: 2 in the
 * first convolution, 1 where the paper first has 2 (Tian et al. 2020). v: width in thousandths. */
static void mobilenet_v2(struct kd_writing *w, const int *v)
{
    static const struct {
        int factor, channels, blocks, stride;
    } rows[] = {{1, 16, 1, 1}, {6, 24, 2, 1},  {6, 32, 3, 2}, {6, 64, 4, 2},
                {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    int in = eights(32, v[0]);
    kd_write_block(w, (struct kd_write_conv){.filters = in, .stride = 2}, "relu6");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int b = 0; b < rows[i].blocks; b++) {
            int out = eights(rows[i].channels, v[0]);
            inverted(w, in, out, b ? 1 : rows[i].stride, rows[i].factor);
            in = out;
        }
    kd_write_block(
        w, (struct kd_write_conv){.filters = v[0] > 1000 ? eights(1280, v[0]) : 1280, .kernel = 1},
        "relu6");
    kd_write(w, "\"global_avgpool\",\"flatten\",{\"kind\":\"dropout\",\"rate\":0.2},\"dense\"");
}

const struct kd_named_network kd_networks_small[] = {
    {"ds_cnn", "MLPerf Tiny's keyword spotter (Zhang et al. 2017), for 49x10 maps", ds_cnn,
     .v = {0}},
    {"mobilenet_v2", "Sandler et al. 2018; mobilenet_v2-0.5 is half as wide", mobilenet_v2,
     .v = {1000}, .any_width = true},
    {0},
};

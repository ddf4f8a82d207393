/* Small convolutional networks of one chain. */
#include "networks.h"

/* LeCun et al. 1998, with the padding that 28x28 images need; tanh and averages as then. */
static void lenet5(struct kd_writing *w, const int *v)
{
    (void)v;
    kd_write(w, "{\"kind\":\"conv2d\",\"filters\":6,\"kernel\":5,\"padding\":2},\"tanh\","
                "{\"kind\":\"avgpool\"},{\"kind\":\"conv2d\",\"filters\":16,\"kernel\":5},\"tanh\","
                "{\"kind\":\"avgpool\"},\"flatten\",{\"kind\":\"dense\",\"units\":120},\"tanh\","
                "{\"kind\":\"dense\",\"units\":84},\"tanh\",\"dense\"");
}

/* The small CNN of a well-known Keras example, 64,570 parameters on 28x28 images of 10 classes. */
static void cnn(struct kd_writing *w, const int *v)
{
    (void)v;
    for (int i = 0; i < 2; i++)
        kd_write(w, "{\"kind\":\"conv2d\",\"filters\":32},\"relu\",{\"kind\":\"maxpool\"}");
    kd_write(w, "\"flatten\"");
    for (int i = 0; i < 4; i++) kd_write(w, "{\"kind\":\"dense\",\"units\":56},\"relu\"");
    kd_write(w, "\"dense\"");
}

const struct kd_named_network kd_networks_plain[] = {
    {"lenet5", "LeCun et al. 1998, for 28x28 images", lenet5, .v = {0}},
    {"cnn-64570", "two convolutions, four hidden layers, for 28x28 images", cnn, .v = {0}},
    {0},
};

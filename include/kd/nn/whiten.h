/* Patch whitening: a first convolution that decorrelates what it sees (Coates and Ng 2012; as a
 * frozen layer: Page 2019, Jordan 2024).
 *
 * With the covariance matrix of the training images' normalized kernel x kernel patches, its
 * eigenvalues l1 >= l2 >= ... and eigenvectors v1, v2, ..., filter i is vi / sqrt(li + 5e-4), and
 * filter i + filters/2 is its negative. */
#ifndef KD_NN_WHITEN_H
#define KD_NN_WHITEN_H
#include "kd/data/batch.h"
#include "kd/nn/network.h"

/* After kd_network_init: the weights of a first layer that asks for it, from up to 5,000 of these
 * images, spread evenly (fewer for large kernels). Without such a layer nothing is done. */
int kd_network_whiten(struct kd_network *net, const struct kd_subset *images,
                      const struct kd_normalize *normalize, struct kd_err *err);

/* Eigenvalues, the largest first, and eigenvectors of a symmetric matrix, by Jacobi's rotations
 * (Golub and Van Loan, section 8.5). a [n][n] is destroyed; values [n]; vectors [n][n], a row each,
 * of length 1, their largest element positive. */
void kd_eigen_symmetric(size_t n, double *a, double *values, double *vectors);
#endif

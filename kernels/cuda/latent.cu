// The latent variable: the reparameterization and the KL to the standard normal. Not yet run on a GPU.
//
// All matrices are (n, width): a row is an example, a column a latent dimension; logvar is log sigma^2.
#include "common.cuh"
#include "elements.cuh"

// z = mu + exp(logvar / 2) eps. Mirrors reparameterize_forward. Thread = element.
extern "C" __global__ void reparameterize(int n, int width, const REAL* __restrict__ mu, int mu_stride,
                                          const REAL* __restrict__ logvar, int logvar_stride,
                                          const REAL* __restrict__ eps, int eps_stride, REAL* __restrict__ z,
                                          int z_stride) {
    long long element = thread_of_grid(), i = element / width;
    if (i >= n) return;
    int j = int(element % width);
    REAL std = standard_deviation(row_of(logvar, i, logvar_stride)[j]);
    row_of(z, i, z_stride)[j] = row_of(mu, i, mu_stride)[j] + std * row_of(eps, i, eps_stride)[j];
}

// dmu = dz, dlogvar = dz exp(logvar / 2) eps / 2. Mirrors reparameterize_backward. Thread = element.
extern "C" __global__ void reparameterize_backward(int n, int width, const REAL* __restrict__ dz, int dz_stride,
                                                   const REAL* __restrict__ logvar, int logvar_stride,
                                                   const REAL* __restrict__ eps, int eps_stride,
                                                   REAL* __restrict__ dmu, int dmu_stride, REAL* __restrict__ dlogvar,
                                                   int dlogvar_stride) {
    long long element = thread_of_grid(), i = element / width;
    if (i >= n) return;
    int j = int(element % width);
    REAL upstream = row_of(dz, i, dz_stride)[j];
    REAL std = standard_deviation(row_of(logvar, i, logvar_stride)[j]);
    row_of(dmu, i, dmu_stride)[j] = upstream;
    row_of(dlogvar, i, dlogvar_stride)[j] = upstream * (REAL(0.5) * std * row_of(eps, i, eps_stride)[j]);
}

// kl_i = 1/2 sum_j [ mu^2 + exp(logvar) - 1 - logvar ], in nats: (n,). Mirrors gaussian_kl_forward. Block = row.
extern "C" __global__ void gaussian_kl(int n, int width, const REAL* __restrict__ mu, int mu_stride,
                                       const REAL* __restrict__ logvar, int logvar_stride, REAL* __restrict__ kl) {
    int i = int(blockIdx.x);
    if (i >= n) return;
    const REAL *mu_row = row_of(mu, i, mu_stride), *logvar_row = row_of(logvar, i, logvar_stride);
    double sum = 0;
    for (int j = thread_of_block(); j < width; j += THREADS) sum += double(gaussian_kl_term(mu_row[j], logvar_row[j]));
    sum = block_sum(sum);
    if (thread_of_block() == 0) kl[i] = REAL(sum);
}

// dmu = dkl mu, dlogvar = dkl (exp(logvar) - 1) / 2, with dkl (n,). Mirrors gaussian_kl_backward. Thread = element.
extern "C" __global__ void gaussian_kl_backward(int n, int width, const REAL* __restrict__ dkl,
                                                const REAL* __restrict__ mu, int mu_stride,
                                                const REAL* __restrict__ logvar, int logvar_stride,
                                                REAL* __restrict__ dmu, int dmu_stride, REAL* __restrict__ dlogvar,
                                                int dlogvar_stride) {
    long long element = thread_of_grid(), i = element / width;
    if (i >= n) return;
    int j = int(element % width);
    row_of(dmu, i, dmu_stride)[j] = dkl[i] * row_of(mu, i, mu_stride)[j];
    row_of(dlogvar, i, dlogvar_stride)[j] = dkl[i] * gaussian_kl_dlogvar(row_of(logvar, i, logvar_stride)[j]);
}

// Optimizers over the flat vector of n parameters w with the gradient g, in place. Not yet run on a GPU.
#include "common.cuh"
#include "elements.cuh"

// u <- momentum u + g; w <- w - learning_rate u. Mirrors sgd_update. Thread = parameter.
extern "C" __global__ void sgd(int n, REAL* __restrict__ w, const REAL* __restrict__ g, REAL* __restrict__ velocity,
                               double learning_rate, const double* __restrict__ learning_rate_at, double momentum) {
    long long i = thread_of_grid();
    if (i >= n) return;
    REAL rate = REAL(current(learning_rate, learning_rate_at));
    sgd_element(w[i], g[i], velocity[i], rate, REAL(momentum));
}

// s <- s + g^2; w <- w - learning_rate g / (sqrt(s) + epsilon). Mirrors adagrad_update. Thread = parameter.
extern "C" __global__ void adagrad(int n, REAL* __restrict__ w, const REAL* __restrict__ g,
                                   REAL* __restrict__ sum_of_squares, double learning_rate,
                                   const double* __restrict__ learning_rate_at, double epsilon) {
    long long i = thread_of_grid();
    if (i >= n) return;
    REAL rate = REAL(current(learning_rate, learning_rate_at));
    adagrad_element(w[i], g[i], sum_of_squares[i], rate, REAL(epsilon));
}

// m <- m + (1 - beta1) (g - m); v <- v + (1 - beta2) (g^2 - v); w <- w - size m / (sqrt(v) + root epsilon); t counts
// from 1. Mirrors adam_update. Thread = parameter; the first of a block computes the size of the step for all.
extern "C" __global__ void adam(int n, REAL* __restrict__ w, const REAL* __restrict__ g, REAL* __restrict__ m,
                                REAL* __restrict__ v, unsigned t, const unsigned* __restrict__ t_at,
                                double learning_rate, const double* __restrict__ learning_rate_at, double beta1,
                                double beta2, double epsilon) {
    __shared__ double size, root_epsilon;
    if (thread_of_block() == 0) {
        double rate = current(learning_rate, learning_rate_at);
        AdamStep step = adam_step(current(t, t_at), rate, beta1, beta2, epsilon);
        size = step.size;
        root_epsilon = step.root_epsilon;
    }
    __syncthreads();
    long long i = thread_of_grid();
    if (i < n) adam_element(w[i], g[i], m[i], v[i], beta1, beta2, AdamStep{size, root_epsilon});
}

// dw <- dw + l1 sign(w) + l2 w; partial_b = l1 sum |w| + l2/2 sum w^2 over the weights of block b, for any number of
// blocks. Mirrors add_penalty, whose value is the sum of partial: sum_to.
extern "C" __global__ void penalty(int n, const REAL* __restrict__ w, REAL* __restrict__ dw, double l1, double l2,
                                   double* __restrict__ partial) {
    double sum = 0;
    for (long long i = thread_of_grid(); i < n; i += (long long)(gridDim.x) * THREADS) {
        double weight = double(w[i]);
        sum += l1 * fabs(weight) + 0.5 * l2 * weight * weight;
        dw[i] += penalty_gradient(w[i], REAL(l1), REAL(l2));
    }
    sum = block_sum(sum);
    if (thread_of_block() == 0) partial[blockIdx.x] = sum;
}

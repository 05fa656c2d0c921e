// Likelihoods: -log p(x|z) of each example, in nats, and its gradient in the same pass. Not yet run on a GPU.
//
// Matrices are (n, width): a row is an example, a column a data dimension. dnll (n,) is d loss / d nll; where it is
// null, only the value is computed. A block has a row, unless said otherwise.
#include "common.cuh"
#include "elements.cuh"

// nll_i = sum_j [ log(1 + exp(l)) - x l ]; dlogits = dnll (sigmoid(l) - x). Mirrors bernoulli_nll.
extern "C" __global__ void bernoulli_nll(int n, int width, const REAL* __restrict__ logits, int logits_stride,
                                         const REAL* __restrict__ x, int x_stride, const REAL* __restrict__ dnll,
                                         REAL* __restrict__ nll, REAL* __restrict__ dlogits, int dlogits_stride) {
    int i = int(blockIdx.x);
    if (i >= n) return;
    const REAL *logits_row = row_of(logits, i, logits_stride), *x_row = row_of(x, i, x_stride);
    double sum = 0;
    for (int j = thread_of_block(); j < width; j += THREADS) {
        REAL logit = logits_row[j], pixel = x_row[j];
        REAL log_normaliser = softplus(logit);
        sum += double(bernoulli_nll_term(logit, pixel, log_normaliser));
        if (dnll != nullptr) {
            row_of(dlogits, i, dlogits_stride)[j] = dnll[i] * bernoulli_dlogit(logit, pixel, log_normaliser);
        }
    }
    sum = block_sum(sum);
    if (thread_of_block() == 0) nll[i] = REAL(sum);
}

// out = sigmoid(logits), (n, width). Mirrors bernoulli_mean. Thread = element.
extern "C" __global__ void bernoulli_mean(int n, int width, const REAL* __restrict__ logits, int logits_stride,
                                          REAL* __restrict__ out, int out_stride) {
    long long element = thread_of_grid(), i = element / width;
    if (i >= n) return;
    int j = int(element % width);
    row_of(out, i, out_stride)[j] = sigmoid(row_of(logits, i, logits_stride)[j]);
}

// With r = (x - mean)^2 / exp(logvar): nll_i = 1/2 sum_j [ log 2 pi + logvar_j + r ], and
// dmean = dnll (mean - x) / exp(logvar). logvar is (1,) or (width,), as n_logvar says. dlogvar_rows (n,), or null: the
// row's part of the gradient of a logvar that all dimensions share, dnll_i sum_j (1 - r) / 2. Mirrors gaussian_nll.
extern "C" __global__ void gaussian_nll(int n, int width, const REAL* __restrict__ mean, int mean_stride,
                                        const REAL* __restrict__ logvar, int n_logvar, const REAL* __restrict__ x,
                                        int x_stride, const REAL* __restrict__ dnll, REAL* __restrict__ nll,
                                        REAL* __restrict__ dmean, int dmean_stride,
                                        double* __restrict__ dlogvar_rows) {
    int i = int(blockIdx.x);
    if (i >= n) return;
    const REAL *mean_row = row_of(mean, i, mean_stride), *x_row = row_of(x, i, x_stride);
    double sum = 0, dlogvar = 0;
    for (int j = thread_of_block(); j < width; j += THREADS) {
        REAL log_variance = logvar[n_logvar == 1 ? 0 : j];
        Residual<REAL> residual = gaussian_residual(mean_row[j], x_row[j], log_variance);
        sum += double(gaussian_nll_term(log_variance, residual.r));
        if (dnll != nullptr) {
            row_of(dmean, i, dmean_stride)[j] = dnll[i] * residual.dmean;
            dlogvar += double(dnll[i] * gaussian_nll_dlogvar(residual.r));
        }
    }
    sum = block_sum(sum);
    if (thread_of_block() == 0) nll[i] = REAL(sum);
    if (dlogvar_rows == nullptr) return;
    dlogvar = block_sum(dlogvar);
    if (thread_of_block() == 0) dlogvar_rows[i] = dlogvar;
}

// dlogvar_j = sum_i dnll_i (1 - r_ij) / 2, for one logvar per dimension, (width,). Mirrors gaussian_nll. A block has
// COLUMNS columns, TALL threads.
extern "C" __global__ void gaussian_dlogvar(int n, int width, const REAL* __restrict__ mean, int mean_stride,
                                            const REAL* __restrict__ logvar, const REAL* __restrict__ x, int x_stride,
                                            const REAL* __restrict__ dnll, REAL* __restrict__ dlogvar) {
    int j = column_of_thread();
    double sum = 0;
    if (j < width) {
        for (int i = group_of_thread(); i < n; i += GROUPS) {
            Residual<REAL> residual =
                gaussian_residual(row_of(mean, i, mean_stride)[j], row_of(x, i, x_stride)[j], logvar[j]);
            sum += double(dnll[i] * gaussian_nll_dlogvar(residual.r));
        }
    }
    sum = sum_of_groups(sum);
    if (j < width && group_of_thread() == 0) dlogvar[j] = REAL(sum);
}

// out_0 = the sum of values (n,). One block.
extern "C" __global__ void sum_to(int n, const double* __restrict__ values, REAL* __restrict__ out) {
    double sum = 0;
    for (int i = thread_of_block(); i < n; i += THREADS) sum += values[i];
    sum = block_sum(sum);
    if (thread_of_block() == 0) out[0] = REAL(sum);
}

// nll_i = -sum_j x_j log softmax(l)_j and dlogits = dnll (softmax(l) - x), a softmax for each group of columns; group g
// has the columns starts[g] to starts[g + 1] - 1. Mirrors categorical_nll. A thread takes whole groups of the row.
extern "C" __global__ void categorical_nll(int n, int width, const REAL* __restrict__ logits, int logits_stride,
                                           const REAL* __restrict__ x, int x_stride, const int* __restrict__ starts,
                                           int n_groups, const REAL* __restrict__ dnll, REAL* __restrict__ nll,
                                           REAL* __restrict__ dlogits, int dlogits_stride) {
    int i = int(blockIdx.x);
    if (i >= n) return;
    const REAL *logits_row = row_of(logits, i, logits_stride), *x_row = row_of(x, i, x_stride);
    double sum = 0;
    for (int group = thread_of_block(); group < n_groups; group += THREADS) {
        int end = starts[group + 1] < width ? starts[group + 1] : width;
        Softmax<REAL> softmax = softmax_of(logits_row + starts[group], end - starts[group]);
        for (int j = starts[group]; j < end; ++j) {
            REAL log_p = log_softmax(logits_row[j], softmax);
            sum -= double(x_row[j] * log_p);
            if (dnll != nullptr) row_of(dlogits, i, dlogits_stride)[j] = dnll[i] * (exp(log_p) - x_row[j]);
        }
    }
    sum = block_sum(sum);
    if (thread_of_block() == 0) nll[i] = REAL(sum);
}

// out = softmax(logits) within each group, (n, width). Mirrors categorical_mean. A thread takes whole groups of a row.
extern "C" __global__ void categorical_mean(int n, int width, const REAL* __restrict__ logits, int logits_stride,
                                            const int* __restrict__ starts, int n_groups, REAL* __restrict__ out,
                                            int out_stride) {
    int i = int(blockIdx.x);
    if (i >= n) return;
    const REAL* logits_row = row_of(logits, i, logits_stride);
    for (int group = thread_of_block(); group < n_groups; group += THREADS) {
        int end = starts[group + 1] < width ? starts[group + 1] : width;
        Softmax<REAL> softmax = softmax_of(logits_row + starts[group], end - starts[group]);
        for (int j = starts[group]; j < end; ++j) {
            row_of(out, i, out_stride)[j] = exp(log_softmax(logits_row[j], softmax));
        }
    }
}

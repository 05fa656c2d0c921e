// What a captured training step needs beside the mathematics: its rows of the data, and its place in the epoch. Not yet
// run on a GPU.
//
// counts (3,): the model's step, the optimizer's t, and the place in the epoch's order.
#include "common.cuh"

// out = x[rows]: (N, width), (n,) -> (n, width). Mirrors take_rows. Thread = element.
extern "C" __global__ void take_rows(int n, int width, const REAL* __restrict__ x, int x_stride,
                                     const unsigned* __restrict__ rows, REAL* __restrict__ out, int out_stride) {
    long long element = thread_of_grid(), i = element / width;
    if (i >= n) return;
    int j = int(element % width);
    row_of(out, i, out_stride)[j] = row_of(x, rows[i], x_stride)[j];
}

// rows = the next n of the epoch's order.
extern "C" __global__ void next_rows(int n, const unsigned* __restrict__ order, const unsigned* __restrict__ counts,
                                     unsigned* __restrict__ rows) {
    long long i = thread_of_grid();
    if (i < n) rows[i] = order[counts[2] + i];
}

// sums (3,) += the batch's sums of recon_nll (n,) and kl (n,), and n times the penalty (1,), which may be null; all in
// nats. Then counts += (1, 1, n). One block.
extern "C" __global__ void count_step(int n, const REAL* __restrict__ recon_nll, const REAL* __restrict__ kl,
                                      const double* __restrict__ penalty, unsigned* __restrict__ counts,
                                      double* __restrict__ sums) {
    double recon_sum = 0, kl_sum = 0;
    for (int i = thread_of_block(); i < n; i += THREADS) {
        recon_sum += double(recon_nll[i]);
        kl_sum += double(kl[i]);
    }
    recon_sum = block_sum(recon_sum);
    kl_sum = block_sum(kl_sum);
    if (thread_of_block() != 0) return;
    sums[0] += recon_sum;
    sums[1] += kl_sum;
    if (penalty != nullptr) sums[2] += n * penalty[0];
    counts[0] += 1;
    counts[1] += 1;
    counts[2] += unsigned(n);
}

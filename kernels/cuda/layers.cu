// What surrounds the matrix products of a linear layer. Not yet run on a GPU.
#include "common.cuh"
#include "elements.cuh"

// y = act(y + b) in place, where y (n, width) comes from the product x W. Mirrors linear_forward. Thread = element.
extern "C" __global__ void bias_activation(int n, int width, REAL* __restrict__ y, int y_stride,
                                           const REAL* __restrict__ b, int activation) {
    long long element = thread_of_grid(), i = element / width;
    if (i >= n) return;
    int j = int(element % width);
    REAL* row = row_of(y, i, y_stride);
    row[j] = activate(activation, row[j] + b[j]);
}

// da = dy act'(a), all (n, width), with act' from the output y; da may be dy. Mirrors activation_backward.
extern "C" __global__ void activation_backward(int n, int width, const REAL* dy, int dy_stride,
                                               const REAL* __restrict__ y, int y_stride, int activation, REAL* da,
                                               int da_stride) {
    long long element = thread_of_grid(), i = element / width;
    if (i >= n) return;
    int j = int(element % width);
    REAL derivative = activation_derivative(activation, row_of(y, i, y_stride)[j]);
    row_of(da, i, da_stride)[j] = row_of(dy, i, dy_stride)[j] * derivative;
}

// out_j = sum_i a_ij: (n, width) -> (width,). Mirrors bias_gradient. A block has COLUMNS columns, TALL threads.
extern "C" __global__ void column_sums(int n, int width, const REAL* __restrict__ a, int a_stride,
                                       REAL* __restrict__ out) {
    int j = column_of_thread();
    double sum = 0;
    if (j < width) {
        for (int i = group_of_thread(); i < n; i += GROUPS) sum += double(row_of(a, i, a_stride)[j]);
    }
    sum = sum_of_groups(sum);
    if (j < width && group_of_thread() == 0) out[j] = REAL(sum);
}

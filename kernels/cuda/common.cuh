// What all kernels share: who a thread is, where a row begins, and how a block adds up. Not yet run on a GPU.
//
// REAL is float or double (-DREAL=...). A matrix is a pointer and a stride: the elements from one row to the next; the
// columns of a row are neighbours. Grids and blocks are one-dimensional; a block has THREADS threads, or TALL where columns
// are summed.
#pragma once

#ifndef REAL
#error "compile with -DREAL=float or -DREAL=double"
#endif

constexpr int THREADS = 128;            // of a block; kernels/cuda_launch.py says the same
constexpr int TALL = 512;               // threads of a block that sums columns; kernels/cupy_gpu.py says the same
constexpr int COLUMNS = 8;              // of such a block: 8 floats are what one read from memory brings
constexpr int GROUPS = TALL / COLUMNS;  // of rows, each summed by COLUMNS threads of such a block

__device__ inline int thread_of_block() { return int(threadIdx.x); }

__device__ inline long long thread_of_grid() { return (long long)(blockIdx.x) * THREADS + threadIdx.x; }

// Neighbouring threads have neighbouring columns, so that what they read together lies together.
__device__ inline int column_of_thread() { return int(blockIdx.x) * COLUMNS + thread_of_block() % COLUMNS; }

__device__ inline int group_of_thread() { return thread_of_block() / COLUMNS; }

// The first element of row i; 64 bits, because a data set may have more than 2^31 elements.
template <typename T>
__device__ inline T* row_of(T* matrix, long long i, int stride) {
    return matrix + i * stride;
}

// A number that changes from step to step: what stands at its place on the device, or the value where there is none.
template <typename T>
__device__ inline T current(T value, const T* at) {
    return at != nullptr ? *at : value;
}

// The sum of `value` over the block, for all of its threads, which all have to call it; always in the same order.
__device__ inline double block_sum(double value) {
    __shared__ double partial[THREADS];
    __syncthreads();  // an earlier sum may still be being read
    partial[thread_of_block()] = value;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (thread_of_block() < half) partial[thread_of_block()] += partial[thread_of_block() + half];
    }
    __syncthreads();
    return partial[0];
}

// The sum of `value` over the groups of a block, in the thread of the first group for each column; all threads of the
// block have to call it.
__device__ inline double sum_of_groups(double value) {
    __shared__ double partial[TALL];
    partial[thread_of_block()] = value;
    for (int half = TALL / 2; half >= COLUMNS; half /= 2) {
        __syncthreads();
        if (thread_of_block() < half) partial[thread_of_block()] += partial[thread_of_block() + half];
    }
    return partial[thread_of_block()];
}

// What the per-element mathematics needs to be compiled twice: for the GPU by NVRTC, and for the CPU by any C++17
// compiler, so that the tests compare it with kernels/reference.py on a machine without a GPU.
#pragma once

#ifdef __CUDACC__
#define HD __host__ __device__ inline
#else
#include <math.h>  // not <cmath>: the float overloads of exp, log and so on, in the global namespace, as in CUDA
#define HD inline
#endif

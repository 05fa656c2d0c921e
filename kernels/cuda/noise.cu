// Noise, drawn where it is needed: kernels/philox.py on the GPU. Not yet run on a GPU.
//
// A thread draws four neighbouring dimensions of one example: it has the number i * ceil(dims / 4) + quad.
#include "common.cuh"
#include "philox.cuh"

// The place of a thread: row i of the batch, dimensions first to first + count - 1; none is left where i is n.
struct Quad {
    long long row;
    int first;
    int count;
};

__device__ inline Quad quad_of_thread(int n, int dims) {
    int quads = (dims + 3) / 4;
    long long thread = thread_of_grid();
    long long row = thread / quads < n ? thread / quads : n;
    int first = 4 * int(thread % quads);
    return {row, first, dims - first < 4 ? dims - first : 4};
}

// (n, dims) uniforms on (0, 1). Mirrors uniform; in float, values above 1 - 2^-25 round to 1.
extern "C" __global__ void fill_uniform(unsigned long long seed, unsigned stream, unsigned step,
                                        const unsigned* __restrict__ step_at, const unsigned* __restrict__ examples,
                                        int n, int dims, REAL* __restrict__ out, int out_stride) {
    Quad quad = quad_of_thread(n, dims);
    if (quad.row == n) return;
    Words words = philox4x32(quad.first / 4, examples[quad.row], current(step, step_at), stream, seed);
    FourNumbers u = to_unit_interval(words);
    REAL* row = row_of(out, quad.row, out_stride);
    for (int i = 0; i < quad.count; ++i) row[quad.first + i] = REAL(u.number[i]);
}

// (n, dims) draws from N(0, 1). Mirrors standard_normal.
extern "C" __global__ void fill_normal(unsigned long long seed, unsigned stream, unsigned step,
                                       const unsigned* __restrict__ step_at, const unsigned* __restrict__ examples,
                                       int n, int dims, REAL* __restrict__ out, int out_stride) {
    Quad quad = quad_of_thread(n, dims);
    if (quad.row == n) return;
    Words words = philox4x32(quad.first / 4, examples[quad.row], current(step, step_at), stream, seed);
    FourNumbers normal = box_muller(to_unit_interval(words));
    REAL* row = row_of(out, quad.row, out_stride);
    for (int i = 0; i < quad.count; ++i) row[quad.first + i] = REAL(normal.number[i]);
}

// out = (u < x), each pixel a coin with the grey value x (n, dims) as its probability; out may be x. Mirrors binarize.
extern "C" __global__ void binarize(unsigned long long seed, unsigned step, const unsigned* __restrict__ step_at,
                                    const unsigned* __restrict__ examples, int n, int dims, const REAL* x,
                                    int x_stride, REAL* out, int out_stride) {
    Quad quad = quad_of_thread(n, dims);
    if (quad.row == n) return;
    Words words = philox4x32(quad.first / 4, examples[quad.row], current(step, step_at), BINARIZE, seed);
    FourNumbers u = to_unit_interval(words);
    const REAL* grey = row_of(x, quad.row, x_stride);
    REAL* row = row_of(out, quad.row, out_stride);
    for (int i = 0; i < quad.count; ++i) {
        row[quad.first + i] = u.number[i] < double(grey[quad.first + i]) ? REAL(1) : REAL(0);
    }
}

// tickets (n,): 64 bits for each example in an epoch. Mirrors permutation, which sorts them. Thread = example.
extern "C" __global__ void draw_tickets(unsigned long long seed, unsigned epoch, int n,
                                        unsigned long long* __restrict__ tickets) {
    long long i = thread_of_grid();
    if (i >= n) return;
    Words words = philox4x32(0, unsigned(i), epoch, SHUFFLE, seed);
    tickets[i] = (unsigned long long)(words.word[0]) << 32 | words.word[1];
}
